"""WSGI wrappers of moto: `guard` checks the access key, and `failures_in_form` returns failures as AWS does.

moto believes every request. Others can reach a port of the loopback address too: programs of other users, web pages in
this user's browser, the containers of an account. So `guard` lets in only requests with the access key and the session
token of this emulator, and none that a browser sends for a page or that were meant for another host.
"""

import hashlib
import hmac
import json
import re
import sys
import traceback
import urllib.parse
from xml.sax.saxutils import escape

# Of an Authorization header, and of a presigned URL's X-Amz-Credential: key, date, region, service.
SIGNED = re.compile(r"AWS4-HMAC-SHA256\s+Credential=([^/,\s]+)/[^/,\s]*/[^/,\s]*/([^/,\s]*)/aws4_request\s*(?:,.*)?")
SCOPE = re.compile(r"([^/,\s]+)/[^/,\s]*/[^/,\s]*/([^/,\s]*)/aws4_request")

# This machine by names that lead nowhere else; a page can be given any other name that leads here.
HOSTS = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)

# Of a key that is not known: the code is another one in each kind of service.
UNKNOWN_KEY = {"json": "UnrecognizedClientException", "s3": "InvalidAccessKeyId", "ec2": "AuthFailure"}


def credential(environ):
    """The access key's id and the service that the request names, or none."""
    if header := environ.get("HTTP_AUTHORIZATION"):
        found = SIGNED.fullmatch(header)
    else:
        query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
        found = SCOPE.fullmatch(query.get("X-Amz-Credential", [""])[0])
    return found.groups() if found else (None, "")


def session_token(environ):
    """The session token that the request brings, or an empty one."""
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
    return environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or query.get("X-Amz-Security-Token", [""])[0]


def kind(environ, service):
    """The form that the caller expects errors in."""
    content_type = environ.get("CONTENT_TYPE", "")
    if "HTTP_X_AMZ_TARGET" in environ or "json" in content_type:
        return "json"
    if service in ("s3", "ec2"):
        return service
    by_query = content_type.startswith("application/x-www-form-urlencoded") or "Action=" in environ.get("QUERY_STRING", "")
    return "query" if by_query or service in ("route53", "cloudfront") else "json"


def error(environ, start_response, status, code, message):
    """Answers with an error as AWS does."""
    of = kind(environ, credential(environ)[1])
    code = code.get(of, code["query"]) if isinstance(code, dict) else code
    if of == "json":
        body, content_type = json.dumps({"__type": code, "message": message}), "application/x-amz-json-1.1"
    else:
        inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        around = {
            "s3": "<Error>{}</Error>",
            "ec2": "<Response><Errors><Error>{}</Error></Errors></Response>",
            "query": "<ErrorResponse><Error><Type>Sender</Type>{}</Error></ErrorResponse>",
        }
        body, content_type = around[of].format(inner), "text/xml"
    body = body.encode()
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), ("x-amzn-errortype", code)]
    start_response(status, headers)
    return [body]


def guard(application, key, token_digest):
    """The WSGI application, for those who know the session token that has this SHA-256, in hex, beside the key's id.

    Signatures are not checked. The id is no secret (programs log it), so the token is what lets in."""

    def serve(environ, start_response):
        def refuse(code, message):
            return error(environ, start_response, "403 Forbidden", code, message)

        denied = {"json": "AccessDeniedException", "query": "AccessDenied"}
        if "HTTP_ORIGIN" in environ:
            return refuse(denied, "The emulator answers no web page: a request may have no Origin.")
        if not HOSTS.fullmatch(environ.get("HTTP_HOST", "")):
            return refuse(denied, "The emulator answers for 127.0.0.1, localhost and [::1] alone.")
        named, _ = credential(environ)
        digest = hashlib.sha256(session_token(environ).encode("latin-1", "replace")).hexdigest()
        is_known = named is not None and hmac.compare_digest(named.encode(), key.encode())
        if not (is_known and hmac.compare_digest(digest, token_digest)):
            return refuse(
                {**UNKNOWN_KEY, "query": "InvalidClientTokenId"},
                "The security token included in the request is invalid: use the emulator's credentials file.",
            )
        return application(environ, start_response)

    return serve


def failures_in_form(application):
    """The WSGI application, whose failures come in AWS's form and are final.

    As they are, they come as a page with status 500, which SDKs repeat until their time is over."""

    def serve(environ, start_response):
        started = []

        def keep(status, headers, exc_info=None):
            started[:] = [status, headers]

        try:
            answer = application(environ, keep)
        except NotImplementedError as e:
            message = f"The emulator does not support this call: {e}"
            code = {"json": "UnknownOperationException", "query": "InvalidAction"}
            return error(environ, start_response, "400 Bad Request", code, message)
        except Exception as e:
            traceback.print_exc(file=sys.stderr)
            message = f"The emulator failed ({type(e).__name__}); its log says where."
            return error(environ, start_response, "400 Bad Request", "EmulatorFailure", message)
        status, headers = started
        if status.startswith("5"):
            if hasattr(answer, "close"):
                answer.close()
            message = f"The emulator failed ({status})."
            return error(environ, start_response, "400 Bad Request", "EmulatorFailure", message)
        start_response(status, headers)
        return answer

    return serve
