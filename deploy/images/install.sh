#!/bin/sh
# The two steps of the image's build stage, apart so that an engine keeps the first while only our code changes:
#   locked   a virtual environment without pip, holding exactly what the service's lock names
#   own      the service's own packages as wheels, its SQL, its launcher
# SERVICE comes from the Dockerfile. Nothing is compiled from sources, nothing of the settings of pip stays.
set -eu
case "${SERVICE:-}" in
    "" | *[!a-z]*) echo "install: say which image with --build-arg SERVICE=venue|checkpoint|quarantine|gateway|rehearsal" >&2; exit 2 ;;
esac
home=/opt/lilitong
python=$home/venv/bin/python
secrets=/run/secrets

locked() {
    [ -f "requirements/$SERVICE.txt" ] || { echo "install: requirements/$SERVICE.txt is not there; is $SERVICE an image?" >&2; exit 2; }
    if [ -s $secrets/pip ]; then export PIP_CONFIG_FILE=$secrets/pip; fi
    if [ -s $secrets/ca ]; then export PIP_CERT=$secrets/ca; fi
    # An empty value would be taken for an address.
    [ -n "${PIP_INDEX_URL:-}" ] || unset PIP_INDEX_URL
    [ -n "${PIP_EXTRA_INDEX_URL:-}" ] || unset PIP_EXTRA_INDEX_URL
    python3 -m venv /build/tools
    python3 -m venv --without-pip $home/venv
    /build/tools/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements/build.txt
    /build/tools/bin/pip --python $python install --quiet --require-hashes --only-binary :all: --no-compile -r "requirements/$SERVICE.txt"
    trim
    python3 tools/images/shrink.py cut $home/venv/lib
}

# Sources of extension modules and of messages, stubs, tests, manuals and parts lists are for those who develop with a package.
trim() {
    find $home/venv/lib -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.cpp' \
        -o -name '*.pxi' -o -name '*.proto' \) -delete
    rm -rf $home/venv/share $home/venv/include
    find $home/venv/lib -type d -path '*/site-packages/*/tests' -prune -exec rm -rf {} +
    find $home/venv/lib -type d -path '*.dist-info/sboms' -prune -exec rm -rf {} +
}

own() {
    folders=$(python3 tools/images/workspace.py folders "$SERVICE" | sed 's|^|./|')
    # shellcheck disable=SC2086 # one word for each folder
    /build/tools/bin/pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir wheels $folders
    /build/tools/bin/pip --python $python install --quiet --no-deps --no-index --no-compile wheels/*.whl
    mkdir -p $home/share
    python3 tools/images/workspace.py share "$SERVICE" $home/share
    printf '#!%s\nimport runpy\n\nrunpy.run_module("%s", run_name="__main__", alter_sys=True)\n' $python "$SERVICE" > $home/venv/bin/service
    # Of programs that came with packages only these are run.
    find $home/venv/bin -mindepth 1 ! -name 'python*' ! -name dbmate ! -name service -delete
    trim
    chmod -R a+rX,go-w $home && chmod a+x $home/venv/bin/*
}

"$1"
