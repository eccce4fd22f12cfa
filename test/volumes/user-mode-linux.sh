#!/bin/sh
# The first process of a user-mode Linux, whose root is the host's: runs thin-volumes.sh and halts.
# FOLDER (in the kernel's command line, so in the environment) gets its results; MODULES holds its kernel modules.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
exec >"$FOLDER/log" 2>&1
md="$MODULES/$(uname -r)/kernel/drivers/md"
for module in dm-mod dm-bufio persistent-data/dm-persistent-data dm-bio-prison dm-thin-pool dm-snapshot; do
  insmod "$md/$module.ko"
done
sh -x "$TESTS/thin-volumes.sh" /dev/ubdb vg0 "$FOLDER"
sync
halt -f -p
