"""Test which token an HTTP server takes, and that no request gets past it."""

from __future__ import annotations

import os
import re
import stat
import threading

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from breadcrumb_server.mcp_server.http.authorization import RequireToken
from breadcrumb_server.mcp_server.http.bearer_token import find_token
from breadcrumb_storage.errors import BreadcrumbError

TOKEN = "c2VjcmV0LWZvci10aGUtdGVzdHMtb2YtaHR0cA=="
OTHER = "b3RoZXItc2VjcmV0LWZvci10aGUtdGVzdHMtb2YtaHR0cA"


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "a token"
    file.touch(0o600)
    file.write_text(f"{TOKEN}\n")
    return file


def test_a_token_is_made_once_in_a_file_that_only_its_owner_reads(home) -> None:
    first = find_token(home, None, {})
    file = home.folder / "http-token"
    assert file.read_text().strip() == first.text
    assert re.fullmatch(r"[\w-]{43}", first.text)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not first.was_given
    assert find_token(home, None, {}).text == first.text
    assert first.text not in repr(first) and first.text not in first.source + first.in_shell


def test_servers_that_start_at_once_take_the_same_token(home) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(find_token(home, None, {}).text)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_a_given_file_comes_before_the_variable_and_both_before_a_made_one(home, token_file) -> None:
    assert find_token(home, token_file, {"BREADCRUMB_HTTP_TOKEN": OTHER}).text == TOKEN
    assert find_token(home, None, {"BREADCRUMB_HTTP_TOKEN": OTHER}).text == OTHER
    assert not home.folder.exists()
    assert find_token(home, token_file, {}).in_shell == f"$(cat '{token_file}')"


def test_commands_do_not_inherit_the_variable(home) -> None:
    environ = {"BREADCRUMB_HTTP_TOKEN": TOKEN, "PATH": "/bin"}
    find_token(home, None, environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused_with_what_to_do(home, token_file, mode) -> None:
    token_file.chmod(mode)
    with pytest.raises(BreadcrumbError, match=rf"mode 0{mode:o}.*\n.*chmod 600 '{token_file}'") as refused:
        find_token(home, token_file, {})
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("c2hvcnQ", "too short: 7 characters"),
        (f"{TOKEN} {TOKEN}", "not a bearer token"),
        (f"Bearer {TOKEN}", "not a bearer token"),
        (f"{TOKEN}\u00e9", "not a bearer token"),
        ("x" * 5000, "not a bearer token"),
    ],
)
def test_what_is_no_token_is_refused_without_being_repeated(home, token_file, text, why) -> None:
    token_file.write_text(text)
    for file, environ in [(token_file, {}), (None, {"BREADCRUMB_HTTP_TOKEN": text})]:
        with pytest.raises(BreadcrumbError, match=why) as refused:
            find_token(home, file, environ)
        assert "token_urlsafe" in str(refused.value)
        assert len(text) < 5 or text not in str(refused.value)


def test_a_file_that_cannot_be_read_or_is_none_is_refused(home, tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, why in [("missing", "No such file"), (".", "Is a directory|not a file"), ("pipe", "not a file")]:
        with pytest.raises(BreadcrumbError, match=why):
            find_token(home, tmp_path / name, {})
    (home.folder).mkdir()
    (home.folder / "http-token").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BreadcrumbError, match="No such file"):  # and nothing is written through the link
        find_token(home, None, {})
    assert not (tmp_path / "nowhere").exists()


async def ask(*headers: tuple[bytes, bytes], path: str = "/mcp", method: str = "POST") -> httpx2.Response:
    app = RequireToken(PlainTextResponse("let in"), TOKEN)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
        return await client.request(method, path, headers=list(headers))


@pytest.mark.anyio
@pytest.mark.parametrize("value", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER   {TOKEN}"])
async def test_the_token_lets_in(value) -> None:
    assert (await ask((b"Authorization", value.encode()))).text == "let in"


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/mcp", "/", "/.well-known/oauth-protected-resource"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_without_a_token_every_request_is_answered_with_what_is_wanted(path, method) -> None:
    answer = await ask(path=path, method=method)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="breadcrumb"'  # RFC 6750: no error code here
    assert "Authorization: Bearer" in answer.json()["error_description"]


@pytest.mark.anyio
async def test_another_scheme_is_as_good_as_none() -> None:
    answer = await ask((b"Authorization", b"Basic " + TOKEN.encode()))
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="breadcrumb"')


@pytest.mark.anyio
@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"x",
        TOKEN[:-1].encode(),
        TOKEN.encode() + b"=",
        TOKEN.lower().encode(),
        f"{TOKEN}é".encode(),
        b"\xff\xfe" * 20,
        b"'\"; \\",
        b"x" * 50_000,
    ],
)
async def test_a_wrong_token_is_refused_whatever_its_bytes(given) -> None:
    answer = await ask((b"Authorization", b"Bearer " + given))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert TOKEN not in answer.text + str(answer.headers)


@pytest.mark.anyio
async def test_two_tokens_are_an_invalid_request_even_if_one_is_right() -> None:
    answer = await ask((b"Authorization", f"Bearer {TOKEN}".encode()), (b"Authorization", b"Bearer x"))
    assert answer.status_code == 400
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


@pytest.mark.anyio
async def test_a_token_in_the_url_is_not_taken() -> None:
    assert (await ask(path=f"/mcp?access_token={TOKEN}")).status_code == 401
