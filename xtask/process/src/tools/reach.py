# Asks the package index of pip's settings for an answer, and says why there is none. Whatever it answers will do:
# pip itself judges that.
import configparser
import glob
import importlib.util
import os
import pathlib
import ssl
import sys
import urllib.error
import urllib.request

WITHIN = 5  # seconds


def setting(name, default):
    if value := os.environ.get("PIP_" + name.upper().replace("-", "_")):
        return value
    home = pathlib.Path.home()
    config = pathlib.Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    files = ["/etc/xdg/pip/pip.conf", "/etc/pip.conf", home / ".pip/pip.conf", config / "pip/pip.conf"]
    files += filter(None, [os.environ.get("PIP_CONFIG_FILE")])
    settings = configparser.RawConfigParser()
    try:
        settings.read(files)
    except (configparser.Error, OSError, UnicodeDecodeError):
        return default
    return settings.get("global", name, fallback=default)


def default_index():
    """The index of the pip that comes with this Python; none where that does not say."""
    bundled = os.path.join(os.path.dirname(importlib.util.find_spec("ensurepip").origin), "_bundled")
    for folder in (bundled, "/usr/share/python-wheels"):
        sys.path[:0] = glob.glob(os.path.join(folder, "pip-*.whl"))
    from pip._internal.models.index import PyPI

    return PyPI.simple_url


if setting("no-index", "").lower() in ("1", "true", "yes", "on"):
    sys.exit(0)
index = setting("index-url", None)
if index is None:
    try:
        index = default_index()
    except (ImportError, AttributeError):
        sys.exit(0)  # Not known, and so not judged.
index = index.rstrip("/")
try:
    urllib.request.urlopen(index + "/pip/", timeout=WITHIN).close()
except urllib.error.HTTPError:
    pass
except urllib.error.URLError as error:
    if not isinstance(error.reason, ssl.SSLError):
        # Without the address, which may hold a password.
        sys.exit(f"the package index of pip does not answer: {error.reason}")
except OSError as error:
    sys.exit(f"the package index of pip does not answer: {error}")
