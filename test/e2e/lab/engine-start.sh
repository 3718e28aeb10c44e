# SPDX-License-Identifier: Apache-2.0
# Starts dockerd in the chroot; runs as the first process of new mount and pid namespaces, so that nothing is
# left of mounts, network and containers when it ends.
#   engine-start.sh ROOT DATA SCRATCH CGROUP
# SCRATCH/daemon.json is the engine's configuration, SCRATCH/docker.sock its socket, DATA/docker its images;
# files in SCRATCH/etc stand in the place of those of the same path in the chroot's /etc; DATA/pid gets dockerd's process number on the machine, DATA/address the machine's address on its network.
set -eu
root=$1 data=$2 scratch=$3 cgroup=$4

# /proc is still the machine's here; the shell's own process becomes dockerd in the end.
read -r pid rest < /proc/self/stat
echo "$pid" > "$data/pid"

inside() { chroot "$root" "$@"; }

# containerd finds its own mounts only below a mount point.
mount --bind "$root" "$root"
mount --make-rprivate "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
mkdir -p "$root/lab" "$root/var/lib/docker"
mount --bind "$scratch" "$root/lab"
if [ "$(stat -f -c %T "$data")" = overlayfs ]; then
  # An overlay cannot be put on an overlay, so in a container the images are in memory.
  mount -t tmpfs tmpfs "$root/var/lib/docker"
else
  mount --bind "$data/docker" "$root/var/lib/docker"
fi

# A network of its own: one bridge, the containers and the machine's end of a cable on it. No NAT and no
# firewall rules are needed, nothing of the machine's is changed, and no way leads out of this machine.
inside ip netns add lab
n=1
until inside ip link add "tlog$n" type veth peer name machine netns lab 2> "$data/ip.log"; do
  # Another lab has this name: try the next.
  if ! grep -q "File exists" "$data/ip.log" || [ "$n" -ge 254 ]; then cat "$data/ip.log" >&2; exit 1; fi
  n=$((n + 1))
done
network=198.18.$n
inside ip address add "$network.2/24" dev "tlog$n"
inside ip link set "tlog$n" up
inside ip -n lab link set lo up
inside ip -n lab link add docker type bridge
inside ip -n lab link set machine master docker
inside ip -n lab link set machine up
inside ip -n lab address add "$network.1/24" dev docker
inside ip -n lab link set docker up
inside ip -n lab route add default via "$network.2"

# Names are asked of the machine, where nobody answers: a wrong host name fails at once instead of after seconds.
echo "nameserver $network.2" > "$data/resolv.conf"
mount --bind "$data/resolv.conf" "$root/etc/resolv.conf"
echo "$network.2" > "$data/address"
if [ -d "$scratch/etc" ]; then
  (cd "$scratch/etc" && find . -type f) | while read -r file; do
    mount --bind "$scratch/etc/$file" "$root/etc/$file"
  done
fi

exec nsenter --net="$root/run/netns/lab" sh -euc '
root=$1 network=$2 cgroup=$3
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root chroot "$root" /usr/sbin/dockerd \
  --config-file /lab/daemon.json --host unix:///lab/docker.sock \
  --bridge docker --fixed-cidr "$network.128/25" --default-gateway "$network.2" --dns "$network.2" \
  --iptables=false --ip6tables=false --ip-masq=false --userland-proxy=false \
  --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$cgroup" \
  --insecure-registry 0.0.0.0/0
' sh "$root" "$network" "$cgroup"
