"""Paths of Windows and of the Linux that runs inside it (WSL), each as the other says them.

| WSL | Windows |
|---|---|
| /mnt/c/path/to/file | C:\\path\\to\\file |
| /home/me/file | \\\\wsl.localhost\\Debian\\home\\me\\file |
| /mnt/server/share/file, where that is no drive | \\\\wsl.localhost\\Debian\\mnt\\server\\share\\file |
"""

from __future__ import annotations

import re

from film_archive.core.errors import UsageError

_DRIVE = re.compile(r"/mnt/([a-z])(?:/(.*))?", re.DOTALL)
_WINDOWS = re.compile(r"([A-Za-z]):[\\/](.*)", re.DOTALL)
_SHARED = re.compile(r"[\\/]{2}wsl(?:\.localhost|\$)[\\/]([^\\/]+)(?:[\\/](.*))?", re.DOTALL | re.IGNORECASE)
_FORBIDDEN = re.compile(r'[<>:"|?*\\\x00-\x1f]')


def is_windows_path(text: str) -> bool:
    """Whether a text is a path as Windows writes it: with a drive, or on the share of a WSL."""
    return bool(_WINDOWS.fullmatch(text) or _SHARED.fullmatch(text))


def to_windows(path: str, distribution: str | None) -> str:
    """An absolute path of WSL as Windows programs take it. Raises UsageError for names that Windows can't have."""
    if not path.startswith("/"):
        raise UsageError(f"{path!r} is not an absolute path; Windows programs get no others.")
    bad = _FORBIDDEN.search(path)
    if bad is not None or any(part.endswith((" ", ".")) for part in path.split("/") if part not in ("", ".", "..")):
        raise UsageError(f"{path!r} can't be given to a Windows program: its name has signs that Windows can't have.")
    match = _DRIVE.fullmatch(path)
    if match is not None:
        return f"{match[1].upper()}:\\" + (match[2] or "").replace("/", "\\")
    if not distribution:
        raise UsageError(f"{path!r} is on no Windows drive, and WSL_DISTRO_NAME does not say how Windows calls this Linux.")
    return f"\\\\wsl.localhost\\{distribution}" + path.replace("/", "\\")


def from_windows(path: str) -> str:
    """A path of Windows as WSL has it; any other path as it is."""
    match = _WINDOWS.fullmatch(path)
    if match is not None:
        return f"/mnt/{match[1].lower()}/" + match[2].replace("\\", "/")
    match = _SHARED.fullmatch(path)
    if match is not None:
        return "/" + (match[2] or "").replace("\\", "/")
    return path
