"""Take a picture of every page: three widths, light and dark. `make screenshots` runs this."""

import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.browser.browsing import chromium, sign_in, sign_up, window
from tests.server.running import Service

WIDTHS = (360, 768, 1280)
INSIDE = ("account", "account/profile", "account/email", "account/delete", "devices", "activity")
OUTSIDE = {
    "sign-up": "/auth/sign-up",
    "nowhere": "/nowhere",
    "forgot": "/auth/forgot",
    "reset": "/auth/reset?email=ada@example.com&done=sent",
    "verify": "/auth/verify?email=ada@example.com&done=sent",
    "confirm-email": "/auth/confirm-email?token=x",
    "invitation": "/auth/invitation?token=x",
}


def running(folder: Path) -> Service:
    """Return the service, with mail, so that every page is there."""
    return Service(folder / "data", environ={"OSTIARY_MAIL": f"folder:{folder / 'letters'}"})


def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, chromium() as browser, running(Path(data)) as service:
        link = urlsplit(service.read_until("/auth/administrator?")[-1].strip())
        outside = {**OUTSIDE, "administrator": f"{link.path}?{link.query}"}
        for number, (scheme, width) in enumerate((s, w) for s in ("light", "dark") for w in WIDTHS):
            size = {"width": width, "height": 800}
            email = f"ada{number}@example.com"
            with window(browser, service.url, color_scheme=scheme, viewport=size) as page:

                def take(name: str, page: object = page, end: str = f"{width}-{scheme}") -> None:
                    page.screenshot(path=folder / f"{name}-{end}.png", full_page=True)  # type: ignore[attr-defined]

                page.goto("/")
                take("index")
                page.goto("/auth/sign-in")
                take("sign-in")
                sign_in(page, email, "wrong")
                page.get_by_text("do not go together").wait_for()
                take("sign-in-wrong")
                for name, path in outside.items():
                    page.goto(path)
                    take(name)
                sign_up(page, email)
                with window(browser, service.url) as other:
                    other.goto("/auth/sign-in")
                    sign_in(other, email)
                    other.wait_for_url("**/auth/account")
                for name in INSIDE:
                    page.goto(f"/auth/{name}")
                    take(name.replace("/", "-"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
