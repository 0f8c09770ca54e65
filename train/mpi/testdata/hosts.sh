#!/bin/sh
# hosts.sh PREFIX DISK SIZE: two hosts alpha and beta, 10.77.0.1 and 10.77.0.2, which are
# network namespaces PREFIX-alpha and PREFIX-beta joined by a pair of virtual
# interfaces, and a disk of SIZE bytes, a directory. It says "ready" when they are there, and
# takes all down again, with the processes in them, when its standard input
# ends: also if the test that holds the other end was killed. Where such things may not
# be made it says why not.
prefix=$1 disk=$2 size=$3
trap '' HUP INT TERM PIPE

down() {
  for host in alpha beta; do
    kill -KILL $(ip netns pids $prefix-$host)
    ip netns delete $prefix-$host
  done
  umount -l "$disk"
} >/dev/null 2>&1

up() {
  for host in alpha beta; do
    ip netns add $prefix-$host && ip -n $prefix-$host link set lo up || return
  done
  ip -n $prefix-alpha link add eth0 type veth peer name eth0 netns $prefix-beta &&
    ip -n $prefix-alpha address add 10.77.0.1/24 dev eth0 &&
    ip -n $prefix-beta address add 10.77.0.2/24 dev eth0 &&
    ip -n $prefix-alpha link set eth0 up &&
    ip -n $prefix-beta link set eth0 up &&
    ip netns exec $prefix-alpha unshare --uts true &&
    mount -t tmpfs -o size=$size tmpfs "$disk"
}

if up 2>&1; then
  echo ready
  cat >/dev/null
fi
down
