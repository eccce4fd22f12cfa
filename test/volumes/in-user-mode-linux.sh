#!/bin/sh
# Runs thin-volumes.sh in a user-mode Linux, on its second disk. MODULES holds the kernel's modules: device-mapper is among them.
md="$MODULES/$(uname -r)/kernel/drivers/md"
for module in dm-mod dm-bufio persistent-data/dm-persistent-data dm-bio-prison dm-thin-pool dm-snapshot; do
  insmod "$md/$module.ko"
done
exec sh -x "${0%/*}/thin-volumes.sh" /dev/ubdb vg0 "$FOLDER"
