"""Know the shapes of parameters that the MCP server accepts for certain; any other is left to it."""

from breadcrumb_server.front_door.messages import is_object, is_request_id

TEXT = "text"
FLAG = "flag"
OBJECT = "object"
OBJECT_OF_OBJECTS = "object of objects"

# A dict of shapes: fields that may be missing or null. Others are ignored, by the server too.
Shape = str | dict[str, "Shape"]

PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion"
CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"

_CAPABILITIES: Shape = {
    "roots": {"listChanged": FLAG},
    "sampling": {"context": OBJECT, "tools": OBJECT},
    "elicitation": {"form": OBJECT, "url": OBJECT},
    "experimental": OBJECT_OF_OBJECTS,
    "extensions": OBJECT_OF_OBJECTS,
    "tasks": {
        "cancel": OBJECT,
        "list": OBJECT,
        "requests": {"elicitation": {"create": OBJECT}, "sampling": {"createMessage": OBJECT}},
    },
}
_INFO: Shape = {"name": TEXT, "version": TEXT, "title": TEXT, "description": TEXT, "websiteUrl": TEXT}


def is_initialize(params: dict[str, object] | None) -> bool:
    """Return whether these are parameters of ``initialize``."""
    return (
        params is not None
        and params.keys() == {"protocolVersion", "capabilities", "clientInfo"}
        and type(params["protocolVersion"]) is str
        and _fits(params["capabilities"], _CAPABILITIES)
        and _is_client_info(params["clientInfo"])
    )


def is_plain(params: dict[str, object] | None) -> bool:
    """Return whether a request of the handshake era asks for nothing in particular: no page, no extension."""
    if not params:
        return True
    meta = params.get("_meta")
    return params.keys() == {"_meta"} and is_object(meta) and meta.keys() <= {"progressToken"} and _has_token(meta)


def envelope_version(params: dict[str, object] | None) -> str | None:
    """Return the protocol version that a request carries with it, if it carries nothing but what each has to."""
    meta = params.get("_meta") if params is not None and params.keys() == {"_meta"} else None
    if not is_object(meta):
        return None
    version, capabilities = meta.get(PROTOCOL_VERSION), meta.get(CLIENT_CAPABILITIES)
    known = meta.keys() <= {PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, "progressToken"}
    if not known or type(version) is not str:
        return None
    info = meta.get(CLIENT_INFO)
    fits = _fits(capabilities, _CAPABILITIES) and (info is None or _is_client_info(info)) and _has_token(meta)
    return version if fits else None


def _is_client_info(value: object) -> bool:
    return (
        is_object(value)
        and type(value.get("name")) is str
        and type(value.get("version")) is str
        and value.get("icons") is None
        and _fits(value, _INFO)
    )


def _has_token(meta: dict[str, object]) -> bool:
    """Return whether the token for reports of progress is missing or can be one."""
    return "progressToken" not in meta or is_request_id(meta["progressToken"])


def _fits(value: object, shape: Shape) -> bool:
    if shape == TEXT:
        return type(value) is str
    if shape == FLAG:
        return type(value) is bool
    if not is_object(value):
        return False
    if isinstance(shape, str):
        return shape == OBJECT or all(is_object(each) for each in value.values())
    return all(value.get(name) is None or _fits(value[name], each) for name, each in shape.items())
