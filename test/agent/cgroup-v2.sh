#!/bin/sh
# In a kernel with cgroup v2: a real agent and its app in a group with limits, within another one with limits. Leaves in FOLDER what
# the agent's page and the kernel's files say. NODE and PROGRAM start fly-edge.
set -e
agent=http://127.0.0.1:9100
ip link set lo up
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cd /sys/fs/cgroup
mkdir -p outer/inner
for group in . outer; do echo '+cpu +memory' >$group/cgroup.subtree_control; done
mkfifo /run/go

inside='echo $$ >outer/inner/cgroup.procs; exec "$@"'
sh -c "$inside" - "$NODE" "$PROGRAM" agent --linger 1h -- sh -c 'read go </run/go; exec tail /dev/zero' &
started=$!
until curl -sf $agent/healthz; do sleep 0.1; done
cp /proc/$started/cgroup "$FOLDER/membership"

# The group that is to be held back, and for how many microseconds at least. The busy process has ended when the page is read.
held_back() {
  sh -c "$inside" - sh -c 'while :; do :; done' &
  busy=$!
  until [ "$(sed -n 's/^throttled_usec //p' $1/cpu.stat)" -gt $2 ]; do sleep 0.1; done
  kill -KILL $busy
  wait $busy || true
  name="$FOLDER/${1##*/}"
  cp $1/cpu.max "$name.max"
  cp $1/cpu.stat "$name.before"
  curl -sf $agent/metrics >"$name.page"
  cp $1/cpu.stat "$name.after"
}
echo 30000 100000 >outer/cpu.max
echo 50000 100000 >outer/inner/cpu.max
held_back outer 500000
echo 80000 100000 >outer/cpu.max
echo 40000 100000 >outer/inner/cpu.max
held_back outer/inner 200000

for group in outer outer/inner; do echo max >$group/cpu.max; done
echo 128M >outer/memory.max
echo >/run/go
until curl -sf $agent/metrics >"$FOLDER/end.page" && grep -q '^fly_instance_exit_code ' "$FOLDER/end.page"; do
  sleep 0.1
done
cp outer/inner/memory.events "$FOLDER/memory.events"
# It leaves when it was told often enough.
while kill -0 $started 2>/dev/null && curl -sf $agent/metrics >/dev/null; do sleep 0.1; done
code=0
wait $started || code=$?
echo $code >"$FOLDER/agent.code"
