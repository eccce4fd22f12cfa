#!/bin/sh
# The first process of a user-mode Linux, whose root is the host's: runs SCRIPT and halts.
# SCRIPT and FOLDER are in the kernel's command line, so in the environment. FOLDER gets a log and the exit code.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
sh -x "$SCRIPT" >"$FOLDER/log" 2>&1
echo $? >"$FOLDER/code"
sync
halt -f -p
