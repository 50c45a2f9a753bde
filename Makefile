# `make` alone lists the targets. Each makes what it needs, .venv included.

PYTHON ?= python3
STAMP  := .venv/.stamp

.DEFAULT_GOAL := help
.PHONY: help serve demo test check twin mypy pyright bench faults screenshots texts clean lock

# Install Debian packages when we may; else say how. Servers they bring are not started: we want the programs.
define apt
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
    echo "installing $(1)"; \
    policy=/usr/sbin/policy-rc.d; \
    [ -e $$policy ] || { trap "rm -f $$policy" EXIT HUP INT TERM; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; }; \
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(1); } >/dev/null; \
else \
    echo "$(1) is missing. Type:  sudo apt-get install -y $(1)" >&2; exit 1; \
fi
endef

help:
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

serve: $(STAMP)  ## run the stand-alone server (PORT=8000 WORKERS=1)
	.venv/bin/ostiary serve $(if $(PORT),--port $(PORT)) $(if $(WORKERS),--workers $(WORKERS))

demo: $(STAMP)  ## see a login, a logout and what they do, in a terminal
	.venv/bin/python examples/demo.py

test: $(STAMP)  ## run the tests (they start their own PostgreSQL and Redis)
	@missing=$$(.venv/bin/python -m tests.servers.programs) || exit; [ -z "$$missing" ] || { $(call apt,$$missing); }
	.venv/bin/pytest

twin: $(STAMP)  ## write src/ostiary/sync anew from the asynchronous source
	.venv/bin/python -m tools.twin

check: $(STAMP)  ## lint, format, types and layers
	.venv/bin/python -m tools.twin --check
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	@$(MAKE) --no-print-directory -j2 -Otarget mypy pyright
	.venv/bin/lint-imports --no-logo

mypy: $(STAMP)
	.venv/bin/mypy

pyright: $(STAMP)
	.venv/bin/pyright

bench: $(STAMP)  ## measure speed (ONLY=delay for one of them, BENCH_QUICK=1 to try it)
	@missing=$$(.venv/bin/python -m tests.servers.programs) || exit; \
	command -v wrk >/dev/null || missing="$$missing wrk"; [ -z "$$missing" ] || { $(call apt,$$missing); }
	.venv/bin/python -m bench $(ONLY)

faults: $(STAMP)  ## break everything under load, and write the fault report (SEED=1)
	@missing=$$(.venv/bin/python -m tests.servers.programs) || exit; [ -z "$$missing" ] || { $(call apt,$$missing); }
	@command -v cc >/dev/null || { $(call apt,gcc libc6-dev); }
	.venv/bin/python -m tests.faults.report $(if $(SEED),--seed $(SEED))

screenshots: $(STAMP)  ## take a picture of every page, into screenshots/
	@missing=$$(.venv/bin/python -m tests.servers.programs) || exit; [ -z "$$missing" ] || { $(call apt,$$missing); }
	.venv/bin/python -m tests.browser.screenshots screenshots

texts: $(STAMP)  ## collect the texts for translation, and compile what is translated
	.venv/bin/python -m tests.languages.catalogs

clean:  ## remove .venv, caches and build output; never data
	rm -rf .venv .ruff_cache .mypy_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

lock: $(STAMP)  ## pin the newest versions of everything, with hashes
	.venv/bin/uv --no-config pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	    --overrides requirements/overrides.txt \
	    --all-extras --group dev --generate-hashes --custom-compile-command "make lock" -o requirements/dev.txt

# Nothing unpinned is fetched: hashes cover every file, and the build of ostiary itself uses what they brought. The lock
# is whole, so pip need not look for what each part asks for: it would not know of the overrides.
$(STAMP): requirements/dev.txt requirements/sources.txt pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call apt,python3-venv); }
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps --require-hashes \
	    -r requirements/dev.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --require-hashes \
	    -r requirements/sources.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
