//! Which modules Python has, and by which name others are installed.
//!
//! The name of an import is not the name of what to install: `import serial` wants `pyserial`, and the `serial` of PyPI is something
//! else. What is not in this table is said not to be known, never guessed.

use crate::report::{Import, Origin};

/// Import, name at PyPI, Debian's package, what else.
type Known = (&'static str, &'static str, Option<&'static str>, Option<&'static str>);

/// The import `module` of a line.
pub(crate) fn import(module: &str, line: usize, is_relative: bool) -> Import {
    let plain = |origin| Import {
        module: module.to_owned(),
        line,
        origin,
        distribution: None,
        debian: None,
        note: None,
    };
    if is_relative {
        return plain(Origin::Local);
    }
    if module.starts_with('_') || STDLIB.contains(&module) || PYTHON2.contains(&module) {
        return plain(Origin::Standard);
    }
    match DISTRIBUTIONS.iter().find(|known| known.0 == module) {
        Some((_, distribution, debian, note)) => Import {
            distribution: Some(distribution),
            debian: *debian,
            note: note.map(str::to_owned),
            ..plain(Origin::ThirdParty)
        },
        None => Import {
            note: Some(
                "not in the table: look up by which name it is installed; the import's name may be somebody else's"
                    .to_owned(),
            ),
            ..plain(Origin::ThirdParty)
        },
    }
}

/// Whether only Python 2 has this module.
pub(crate) fn is_python2(module: &str) -> bool {
    PYTHON2.contains(&module)
}

const PYTHON2: &[&str] = &[
    "BaseHTTPServer",
    "ConfigParser",
    "Cookie",
    "HTMLParser",
    "Queue",
    "SimpleHTTPServer",
    "SocketServer",
    "StringIO",
    "Tkinter",
    "cPickle",
    "cStringIO",
    "commands",
    "cookielib",
    "httplib",
    "urllib2",
    "urlparse",
    "xmlrpclib",
];

const fn known(module: &'static str, pypi: &'static str, debian: &'static str) -> Known {
    (module, pypi, Some(debian), None)
}

#[rustfmt::skip]
const DISTRIBUTIONS: &[Known] = &[
    ("serial", "pyserial", Some("python3-serial"), Some("PyPI's `serial` is another thing")),
    ("influxdb", "influxdb", Some("python3-influxdb"), Some("client of InfluxDB 1; no longer developed")),
    ("smbus", "smbus2", Some("python3-smbus"), Some("`smbus2` is imported by its own name; Debian's package is this one")),
    ("Crypto", "pycryptodome", None, Some("PyPI's `crypto` is another thing")),
    ("jwt", "PyJWT", Some("python3-jwt"), Some("PyPI's `jwt` is another thing")),
    ("magic", "python-magic", Some("python3-magic"), None),
    ("pkg_resources", "setuptools", Some("python3-pkg-resources"), None),
    ("telegram", "python-telegram-bot", Some("python3-python-telegram-bot"), Some("PyPI's `telegram` is another thing")),
    ("discord", "discord.py", None, None),
    ("slugify", "python-slugify", Some("python3-slugify"), None),
    ("Adafruit_DHT", "Adafruit-DHT", None, None),
    known("PIL", "Pillow", "python3-pil"),
    known("RPi", "RPi.GPIO", "python3-rpi.gpio"),
    known("MySQLdb", "mysqlclient", "python3-mysqldb"),
    known("OpenSSL", "pyOpenSSL", "python3-openssl"),
    known("Xlib", "python-xlib", "python3-xlib"),
    known("aiohttp", "aiohttp", "python3-aiohttp"),
    known("attr", "attrs", "python3-attr"),
    known("bluetooth", "PyBluez", "python3-bluez"),
    known("bs4", "beautifulsoup4", "python3-bs4"),
    known("certifi", "certifi", "python3-certifi"),
    known("click", "click", "python3-click"),
    known("cryptography", "cryptography", "python3-cryptography"),
    known("cv2", "opencv-python", "python3-opencv"),
    known("dateutil", "python-dateutil", "python3-dateutil"),
    known("dbus", "dbus-python", "python3-dbus"),
    known("django", "Django", "python3-django"),
    known("dns", "dnspython", "python3-dnspython"),
    known("docker", "docker", "python3-docker"),
    known("docx", "python-docx", "python3-docx"),
    known("dotenv", "python-dotenv", "python3-dotenv"),
    known("fastapi", "fastapi", "python3-fastapi"),
    known("flask", "Flask", "python3-flask"),
    known("gi", "PyGObject", "python3-gi"),
    known("git", "GitPython", "python3-git"),
    known("httpx", "httpx", "python3-httpx"),
    known("jinja2", "Jinja2", "python3-jinja2"),
    known("ldap", "python-ldap", "python3-ldap"),
    known("lxml", "lxml", "python3-lxml"),
    known("markdown", "Markdown", "python3-markdown"),
    known("matplotlib", "matplotlib", "python3-matplotlib"),
    known("netifaces", "netifaces", "python3-netifaces"),
    known("nmap", "python-nmap", "python3-nmap"),
    known("numpy", "numpy", "python3-numpy"),
    known("paho", "paho-mqtt", "python3-paho-mqtt"),
    known("pandas", "pandas", "python3-pandas"),
    known("paramiko", "paramiko", "python3-paramiko"),
    known("pexpect", "pexpect", "python3-pexpect"),
    known("psutil", "psutil", "python3-psutil"),
    known("psycopg2", "psycopg2", "python3-psycopg2"),
    known("pymysql", "PyMySQL", "python3-pymysql"),
    known("pytest", "pytest", "python3-pytest"),
    known("pytz", "pytz", "python3-tz"),
    known("redis", "redis", "python3-redis"),
    known("requests", "requests", "python3-requests"),
    known("scapy", "scapy", "python3-scapy"),
    known("scipy", "scipy", "python3-scipy"),
    known("setuptools", "setuptools", "python3-setuptools"),
    known("six", "six", "python3-six"),
    known("sklearn", "scikit-learn", "python3-sklearn"),
    known("sqlalchemy", "SQLAlchemy", "python3-sqlalchemy"),
    known("tornado", "tornado", "python3-tornado"),
    known("tqdm", "tqdm", "python3-tqdm"),
    known("urllib3", "urllib3", "python3-urllib3"),
    known("usb", "pyusb", "python3-usb"),
    known("websocket", "websocket-client", "python3-websocket"),
    known("websockets", "websockets", "python3-websockets"),
    known("yaml", "PyYAML", "python3-yaml"),
    known("zmq", "pyzmq", "python3-zmq"),
];

/// The modules of Python 3.11 (`sys.stdlib_module_names`), and those that went or came around it.
#[rustfmt::skip]
const STDLIB: &[&str] = &[
    "__future__", "_thread", "abc", "aifc", "antigravity", "argparse", "array", "ast", "asynchat",
    "asyncio", "asyncore", "atexit", "audioop", "base64", "bdb", "binascii", "bisect", "builtins", "bz2",
    "cProfile", "calendar", "cgi", "cgitb", "chunk", "cmath", "cmd", "code", "codecs", "codeop",
    "collections", "colorsys", "compileall", "concurrent", "configparser", "contextlib", "contextvars",
    "copy", "copyreg", "crypt", "csv", "ctypes", "curses", "dataclasses", "datetime", "dbm", "decimal",
    "difflib", "dis", "distutils", "doctest", "email", "encodings", "ensurepip", "enum", "errno",
    "faulthandler", "fcntl", "filecmp", "fileinput", "fnmatch", "fractions", "ftplib", "functools", "gc",
    "genericpath", "getopt", "getpass", "gettext", "glob", "graphlib", "grp", "gzip", "hashlib", "heapq",
    "hmac", "html", "http", "idlelib", "imaplib", "imghdr", "imp", "importlib", "inspect", "io",
    "ipaddress", "itertools", "json", "keyword", "lib2to3", "linecache", "locale", "logging", "lzma",
    "mailbox", "mailcap", "marshal", "math", "mimetypes", "mmap", "modulefinder", "msilib", "msvcrt",
    "multiprocessing", "netrc", "nis", "nntplib", "nt", "ntpath", "nturl2path", "numbers", "opcode",
    "operator", "optparse", "os", "ossaudiodev", "pathlib", "pdb", "pickle", "pickletools", "pipes",
    "pkgutil", "platform", "plistlib", "poplib", "posix", "posixpath", "pprint", "profile", "pstats", "pty",
    "pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data", "pyexpat", "queue", "quopri", "random", "re",
    "readline", "reprlib", "resource", "rlcompleter", "runpy", "sched", "secrets", "select", "selectors",
    "shelve", "shlex", "shutil", "signal", "site", "smtpd", "smtplib", "sndhdr", "socket", "socketserver",
    "spwd", "sqlite3", "sre_compile", "sre_constants", "sre_parse", "ssl", "stat", "statistics", "string",
    "stringprep", "struct", "subprocess", "sunau", "symtable", "sys", "sysconfig", "syslog", "tabnanny",
    "tarfile", "telnetlib", "tempfile", "termios", "textwrap", "this", "threading", "time", "timeit",
    "tkinter", "token", "tokenize", "tomllib", "trace", "traceback", "tracemalloc", "tty", "turtle",
    "turtledemo", "types", "typing", "unicodedata", "unittest", "urllib", "uu", "uuid", "venv", "warnings",
    "wave", "weakref", "webbrowser", "winreg", "winsound", "wsgiref", "xdrlib", "xml", "xmlrpc", "zipapp",
    "zipfile", "zipimport", "zlib", "zoneinfo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_to_install_is_not_the_name_of_the_import() {
        let serial = import("serial", 1, false);
        assert_eq!((serial.distribution, serial.debian), (Some("pyserial"), Some("python3-serial")));
        assert_eq!(import("logging", 1, false).origin, Origin::Standard);
        assert_eq!(import("helpers", 1, true).origin, Origin::Local);
        let unknown = import("no_such_module", 1, false);
        assert!(
            unknown.origin == Origin::ThirdParty && unknown.distribution.is_none() && unknown.note.is_some()
        );
    }
}
