#!/bin/sh
# agent.sh HOST COMMAND...: runs a command of the shell on one of the hosts of hosts.sh, as
# mpirun would with ssh. HOSTS is their prefix.
host=$1
shift
exec ip netns exec $HOSTS-$host unshare --uts sh -c "hostname $host; $*"
