# Runs the units of examples/systemd in a systemd of their own: `bash systemd_boot.sh UNITS SPARKIFY RESULTS CODES`.
#
# It must be the first process of new namespaces: all that it mounts, and systemd itself, end with them. RESULTS/log then
# says which commands the nightly unit called when sparkify ended with each of CODES.
set -eu
units=$1 sparkify=$2 results=$3 codes=$4

mount --make-rprivate /
# /tmp is private to the units, and the services do not see the home folders, so all they need is in /run.
mount -t tmpfs tmpfs /run
mkdir -p /run/etc/upper /run/etc/work /run/units /run/test
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
for folder in /usr/local/bin /var/lib; do mount -t tmpfs tmpfs "$folder"; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup

echo 'sparkify:x:4711:4711::/:/bin/false' >>/etc/passwd
echo 'sparkify:x:4711:' >>/etc/group
mkdir -p /etc/sparkify
# Anyone might write here, but the limits of the unit forbid it.
mkdir --mode=1777 /etc/open
echo '[CLUSTER]' >/etc/sparkify/dwh.cfg
chmod 600 /etc/sparkify/dwh.cfg

cp -r "$units"/* /run/units
for name in basic final network-online paths shutdown sockets slices sysinit timers umount; do
    cp "/lib/systemd/system/$name.target" /run/units
done
cp "$sparkify" /run/test/sparkify
cp -r "$(dirname "$0")/../../fixtures" /run/test
chmod -R a+rX /run/test
cat >/usr/local/bin/sparkify <<'STUB'
#!/bin/sh
echo "$1" >>/var/lib/sparkify/calls
exit "$(cat /run/test/code)"
STUB
chmod 755 /usr/local/bin/sparkify

mkdir -p /run/units/sparkify-nightly.service.d /run/units/job-failed@.service.d /run/units/sparkify-status.service.d
echo "[Service]
RestartSec=100ms" >/run/units/sparkify-nightly.service.d/test.conf
echo '[Service]
ExecStart=
ExecStart=/bin/sh -c "echo told >>/var/lib/sparkify/calls"' >/run/units/job-failed@.service.d/test.conf
# The limits of the unit, with the sparkify under test and what it should and should not see.
echo '[Service]
ExecStart=
ExecStart=/run/test/sparkify run --songs /run/test/fixtures/song_data --logs /run/test/fixtures/log_data \
    --out /var/lib/sparkify/star --quiet
ExecStart=/bin/sh -c "printf \"in the unit:\" >in-the-unit; \
    ls star | grep songplays | xargs printf \" %%s,\" >>in-the-unit; \
    printf \" user %%s,\" $(id -un) >>in-the-unit; \
    grep -q CLUSTER $CREDENTIALS_DIRECTORY/dwh.cfg && printf \" dwh.cfg readable,\" >>in-the-unit; \
    touch /etc/open/file 2>/dev/null || echo \" the rest read-only\" >>in-the-unit"' >/run/units/sparkify-status.service.d/test.conf

echo '[Unit]
Wants=basic.target test.service' >/run/units/default.target
echo "[Service]
Type=oneshot
ExecStart=/bin/bash /run/test/test.sh" >/run/units/test.service
cat >/run/test/test.sh <<TEST
mkdir -p /var/lib/sparkify
for code in $codes; do
    echo "\$code" >/run/test/code
    : >/var/lib/sparkify/calls
    chmod 666 /var/lib/sparkify/calls
    systemctl reset-failed
    systemctl start sparkify-nightly.service
    # The first attempt is over; systemd goes on with the others by itself.
    for _ in {1..100}; do
        systemctl is-active sparkify-nightly.service | grep -q activating || break
        sleep 0.1
    done
    # The message about a failure is a job of its own.
    sleep 0.3
    echo "exit code \$code: \$(paste -sd ' ' /var/lib/sparkify/calls)" >>"/run/test/log"
done
systemctl start sparkify-status.service
cat /var/lib/sparkify/in-the-unit >>/run/test/log
cp /run/test/log "$results/log"
systemctl exit || systemctl poweroff --force --force
TEST

# systemd hands the credentials to the units by mounts, which must be seen outside its own process.
mount --make-rshared /
export SYSTEMD_UNIT_PATH=/run/units container=test
exec /lib/systemd/systemd --system --log-target=console
