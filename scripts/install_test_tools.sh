#!/bin/sh
# Install what the tests use from Debian's packages, as root; otherwise say what is missing:
# the tests that need it are skipped, each with a line.
set -eu

missing=""
need() { # need COMMAND-OR-FILE PACKAGE...
    probe=$1
    shift
    [ -e "$probe" ] || command -v "$probe" >/dev/null 2>&1 || missing="$missing $*"
}
need chromium chromium
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
ls /usr/share/postgresql/*/extension/postgis.control >/dev/null 2>&1 || missing="$missing postgresql-15-postgis-3"
need /usr/sbin/apache2 apache2
ls /usr/lib/apache2/modules/mod_wsgi.so >/dev/null 2>&1 || missing="$missing libapache2-mod-wsgi-py3"

need /usr/lib/apache2/modules/mod_xsendfile.so libapache2-mod-xsendfile
need /usr/sbin/nginx nginx-light
need shellcheck shellcheck
need /usr/sbin/logrotate logrotate
need openssl openssl
need ps procps
need /usr/sbin/pgbouncer pgbouncer
need systemd-analyze systemd
need ogr2ogr gdal-bin
need bwrap bubblewrap
need faketime faketime
need wrk wrk
need redis-server redis-server
need /usr/sbin/rabbitmq-server rabbitmq-server

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # A policy that starts no service: the tests start their own, on free ports.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    # shellcheck disable=SC2086 # one package a word
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "Some tests will be skipped. To run them all: sudo apt install$missing"
fi
