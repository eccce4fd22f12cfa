#!/bin/sh
# Makes thin volumes on DEVICE, which is overwritten, and shows what LVM and the kernel say of them.
# thin-volumes.sh DEVICE GROUP FOLDER: leaves FOLDER/lvs.json and FOLDER/dmsetup.txt.
# Needs root and device-mapper with thin-pool. Removes the volumes when it ends.
set -e
device=$1 group=$2 folder=$3
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 LVM_SYSTEM_DIR="$folder" PATH="$PATH:/usr/sbin:/sbin"
cat >"$folder/lvm.conf" <<END
devices {
  use_devicesfile = 0 obtain_device_list_from_udev = 0 external_device_info_source = "none"
  filter = ["a|^$device\$|", "r|.*|"] types = ["ubd", 16]
}
activation { udev_sync = 0 udev_rules = 0 monitoring = 0 }
global { use_lvmpolld = 0 thin_check_executable = "" locking_dir = "$folder/lock" }
backup { backup = 0 archive = 0 }
END
trap 'vgremove -ff -y "$group"' EXIT
pvcreate -y "$device"
vgcreate -y "$group" "$device"
lvcreate -y --type thin-pool -L 64M -n pool "$group"
lvcreate -y -V 200M -T "$group/pool" -n lv1
lvcreate -y -V 100M -T "$group/pool" -n lv2
lvcreate -y -V 52M -T "$group/pool" -n asleep
lvcreate -y -Wn -L 8M -n thick "$group"
dd if=/dev/zero of="/dev/mapper/$group-lv1" bs=1M count=25 oflag=direct
dd if=/dev/zero of="/dev/mapper/$group-lv2" bs=64k count=5 oflag=direct
lvchange -an "$group/asleep"
lvcreate -y -s -n lv1snap "$group/lv1"
sync
# The arguments of src/volumes/lvs.ts.
lvs --reportformat json --units b --nosuffix -o vg_name,lv_name,lv_size,data_percent >"$folder/lvs.json"
dmsetup status --target thin >"$folder/dmsetup.txt"
