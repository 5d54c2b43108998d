"""Test that a server that could not be safe, or whose options are wrong, does not start, and says what to do."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from breadcrumb_server.command_line.breadcrumb_mcp import main
from breadcrumb_server.command_line.commands.serve import serve_mcp
from breadcrumb_server.mcp_server.http.addresses import resolve, security_settings, url_of

TOKEN = "dG9rZW4tb2YtdGhlLWh0dHAtdGVzdHMtb2YtYnJlYWRjcnVtYg"


@pytest.mark.parametrize(
    ("options", "variables", "told"),
    [
        (["--host", "0.0.0.0"], {}, "needs a token that you give"),
        (["--host", "::"], {}, "needs a token that you give"),
        (["--host", "no.such.host.invalid"], {}, "There is no host 'no.such.host.invalid'"),
        (["--host", ""], {}, "There is no host ''"),
        (["--host", "x" * 70], {}, "There is no host"),
        (["--host", "192.0.2.1"], {"BREADCRUMB_HTTP_TOKEN": TOKEN}, "an address of this machine"),
        (["--token-file", "/nonexistent/token"], {}, "Cannot read the token"),
        ([], {"BREADCRUMB_HTTP_TOKEN": ""}, "it is empty"),
        ([], {"BREADCRUMB_HTTP_TOKEN": "short"}, "too short: 5 characters"),
        ([], {"BREADCRUMB_HOME": "/dev/null/x"}, "Cannot make the folder"),
    ],
)
def test_a_server_that_cannot_be_safe_does_not_start_and_says_what_to_do(
    home, monkeypatch, capsys, options, variables, told
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", "--transport", "http", "--port", str(port), *options]) == 1
    err = capsys.readouterr().err
    assert told in err and TOKEN not in err
    assert len(err.strip().splitlines()) >= 2  # what happened, and what to do


def test_a_port_in_use_is_told_and_no_token_is_made(home, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--transport", "http", "--port", str(port)]) == 1
    err = capsys.readouterr().err
    assert f"Cannot listen on port {port} of 127.0.0.1.\nAddress already in use\n" in err and "--port" in err
    assert not home.folder.exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--transport", "http", "--port", "0"],
        ["--transport", "http", "--allow-host", "http://breadcrumb"],
        ["--transport", "http", "--allow-host", "breadcrumb:80"],
        ["--transport", "http", "--allow-host", "*"],
        ["--transport", "http", "--allow-host", "[nonsense]"],
        ["--transport", "http", "--idle-minutes", "0"],
        ["--transport", "http", "--idle-minutes", "inf"],
        ["--transport", "http", "--idle-minutes", "half"],
        ["--transport", "http", "--max-sessions", "0"],
        ["--transport", "stdio", "--host", "::1"],
        ["--port", "8765"],
    ],
)
def test_wrong_options_are_refused_by_both_commands(home, capsys, options) -> None:
    with pytest.raises(SystemExit) as left:
        main(["serve", *options])
    assert left.value.code == 2 and options[-2] in capsys.readouterr().err
    done = CliRunner().invoke(serve_mcp, options)
    assert done.exit_code == 2 and options[-2] in done.output


@pytest.mark.parametrize(
    ("host", "allowed", "url", "hosts"),
    [
        ("127.0.0.1", (), "http://127.0.0.1:80/mcp", set()),
        ("[::1]", (), "http://[::1]:80/mcp", set()),
        ("10.1.2.3", (), "http://10.1.2.3:80/mcp", {"10.1.2.3"}),
        ("0.0.0.0", (), "http://localhost:80/mcp", set()),
        ("::", ("breadcrumb", "[fd00::5]"), "http://breadcrumb:80/mcp", {"breadcrumb", "[fd00::5]"}),
    ],
)
def test_host_and_origin_are_checked_wherever_it_listens(host, allowed, url, hosts) -> None:
    address = resolve(host, 80)
    settings = security_settings(address, allowed)
    assert url_of(address, allowed) == url
    assert settings.enable_dns_rebinding_protection
    names = {each.removesuffix(":*") for each in settings.allowed_hosts}
    assert names == {"127.0.0.1", "localhost", "[::1]", *hosts}
    assert {each.split("://")[1] for each in settings.allowed_origins} == set(settings.allowed_hosts)
