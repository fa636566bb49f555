#!/bin/bash
# Turn this machine into a node. cloud-init calls it once, without arguments; a second call goes on
# where the first one ended. Debian 12 and 13, Ubuntu 22.04 and 24.04 (k3s: wherever k3s runs).
#
# kubeadm.sh or k3s.sh is put in front of this file and brings the function `cluster`, and firewall.sh; join.env
# brings every variable in capitals and holds no secret. What is secret lies in $CONF/secret and is
# gone when this script ends, however it ends. Rendering drops the lines that are only a comment.
#
#   (nothing)  join, within TIMEOUT_S, and clean up
#   stages     join: what the line above runs under its deadline
#   boot       what has to be done again after each boot
#   paths      what has to be looked at before each start of the kubelet (kubeadm)
set -euo pipefail
ROOT=${JOIN_ROOT-} # tests put a whole machine below another root
CONF=$ROOT/etc/vps-autoscaler
STATE=$ROOT/var/lib/vps-autoscaler
readonly ROOT CONF STATE # nor does what preJoin exports change them
# shellcheck source=/dev/null
. "$CONF/join.env"

# Where there is a proxy: for all that is started here. systemd's units have it from the same file.
proxy() {
  [ -e "$CONF/proxy.env" ] || return 0
  set -a
  # shellcheck source=/dev/null
  . "$CONF/proxy.env"
  set +a
}
proxy

# Join tokens, and users and passwords of proxies.
HIDE='s/[a-z0-9]{6}\.[a-z0-9]{16}/(token)/g;s|://[^/@[:space:]]+@|://(hidden)@|g'

main() {
  local code=0
  ! done_here joined || return 0
  mkdir -p "$STATE"
  chmod 700 "$STATE"
  timeout -k 10 "$TIMEOUT_S" bash "$0" stages >"$STATE/log" 2>&1 || code=$?
  sed -i -E "$HIDE" "$STATE/log"
  tail -n 20 "$STATE/log"
  [ "$code" = 0 ] || WHY=$(reason "$code")
  wipe
  if [ "$code" != 0 ]; then
    rm -f "$CONF/post-join"
    give_up "$WHY"
    return 1
  fi
  mark joined
  # The machine is a node from here on: users' last lines cannot undo that, so they only complain.
  [ -z "$POST_JOIN" ] || timeout -k 10 "$TIMEOUT_S" bash -e "$CONF/post-join" \
    || tell "joined, but postJoin failed"
  rm -f "$CONF/post-join"
}

# Marks carry the machine's name: an image made of a machine that joined must not count as joined.
mark() {
  echo "$NODE_NAME" >"$STATE/$1"
}

done_here() {
  grep -qsx "$NODE_NAME" "$STATE/$1"
}

stages() {
  # Units that the image runs already do not know the drop-ins that name the proxy's file.
  [ ! -e "$CONF/proxy.env" ] || systemctl daemon-reload
  if [ -n "$PRE_JOIN" ]; then
    stage preJoin
    # What it exports reaches whatever comes until the join has ended, but for what is ours.
    # shellcheck disable=SC2016 # for the other bash
    bash -ec 'trap "set -o posix; export -p >&3" EXIT; . "$0"' "$CONF/pre-join" 3>"$STATE/exports"
    # shellcheck source=/dev/null
    . "$STATE/exports" || :
    rm "$STATE/exports"
    # shellcheck source=/dev/null
    . "$CONF/join.env"
    proxy
  fi
  network
  firewall
  stage instance-id
  MACHINE_ID=$(instance_id)
  cluster
}

stage() {
  echo "$1" >"$STATE/stage"
  echo "== $1"
}

die() {
  echo "error: $1" >&2
  exit 1
}

# Six tries, a minute in all, unless TRIES says less; TIMEOUT_S stays the only deadline.
retry() {
  local n=1
  until "$@"; do
    [ $n -lt "${TRIES:-6}" ] || return 1
    sleep $((2 ** n))
    n=$((n + 1))
  done
}

# Redirects are followed, but never from https to http: what comes is installed and run as root.
fetch() {
  local only='=https'
  case $1 in http:*) only='=http,https' ;; esac
  command -v curl >/dev/null || add_packages curl ca-certificates
  retry curl -fsSL --proto "$only" --proto-redir "$only" --connect-timeout 10 --max-time 60 \
    -o "$2" "$1" || die "cannot fetch $1"
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@"
}

add_packages() {
  retry apt update || die "cannot reach the package sources"
  retry apt install -y --no-install-recommends --allow-downgrades --allow-change-held-packages "$@" \
    || die "cannot install $*"
}

# Print "address interface" of the private network: inside SUBNET where one is configured, else the
# first private IPv4 address on a NIC that holds no public one, else one inside BESIDE
# (DigitalOcean puts a private address beside the public one that leads nowhere, Linode one that does).
# Tunnels and the like count only inside a SUBNET that somebody named, and after all real NICs.
private() {
  local each real=' ' made=' '
  for each in "$ROOT"/sys/class/net/*; do
    each=${each##*/}
    if is_nic "$each"; then
      real+="$each "
    elif [ -n "$SUBNET" ] && is_link "$each"; then
      made+="$each "
    fi
  done
  ip -o -4 addr show scope global | awk -v nets="${SUBNET:-10.0.0.0/8 172.16.0.0/12 192.168.0.0/16}" \
    -v any="$SUBNET" -v beside="$BESIDE" -v real="$real" -v made="$made" '
    function num(a, p) { split(a, p, "."); return ((p[1] * 256 + p[2]) * 256 + p[3]) * 256 + p[4] }
    function inside(a, list, n, i, m) {
      n = split(list, list_, " ")
      for (i = 1; i <= n; i++) {
        split(list_[i], m, "/")
        if (int(num(a) / 2 ^ (32 - m[2])) == int(num(m[1]) / 2 ^ (32 - m[2]))) return 1
      }
      return 0
    }
    index(real made, " " $2 " ") {
      split($4, a, "/")
      if (inside(a[1], nets)) { c++; adr[c] = a[1]; nic[c] = $2 } else public[$2] = 1
    }
    function take(i) { print adr[i], nic[i]; exit }
    END {
      for (i = 1; i <= c; i++) if (index(real, " " nic[i] " ") && (any || !public[nic[i]])) take(i)
      for (i = 1; i <= c; i++) if (any || inside(adr[i], beside)) take(i)
    }'
}

# A real one, of a machine or an emulator; not a bridge, a tunnel or what a container runtime made.
is_nic() {
  [ -e "$ROOT/sys/class/net/$1/device" ]
}

is_link() {
  [ -e "$ROOT/sys/class/net/$1/tun_flags" ] \
    || grep -qsE '^DEVTYPE=(wireguard|vlan|bond)$' "$ROOT/sys/class/net/$1/uevent"
}

network() {
  NODE_IP='' NIC=''
  stage network
  [ -z "$PRIVATE" ] || await_address
  [ -z "$GATEWAY" ] || ip route replace default via "$GATEWAY" dev "$NIC" onlink
  [ -z "$DNS" ] || names
  [ -z "$IPV6" ] || ipv6
}

# Pods with IPv6 addresses need it forwarded, and a kernel that forwards no longer listens to routers,
# unless accept_ra says so. From the file, udev sets a NIC's own before it comes up, at each boot.
ipv6() {
  local each nic all=$ROOT/proc/sys/net/ipv6/conf file=$ROOT/etc/sysctl.d/99-vps-autoscaler-ipv6.conf
  [ -e "$all/all/forwarding" ] || return 0
  mkdir -p "${file%/*}"
  for each in "$all"/*/accept_ra; do
    nic=${each%/*}
    nic=${nic##*/}
    ! is_nic "$nic" || [ "$(cat "$each")" = 0 ] || echo "net/ipv6/conf/$nic/accept_ra = 2"
  done >"$file"
  printf 'net/ipv6/conf/%s/forwarding = 1\n' all default >>"$file"
  sysctl -qp "$file"
}

# Clouds attach private networks after the boot has begun.
await_address() {
  local n=0 found
  until found=$(private) && [ -n "$found" ]; do
    [ $n -lt "$NETWORK_S" ] || die "no address in ${SUBNET:-a private network} after ${NETWORK_S}s, but \
$(ip -o addr show scope global | awk '{ print $2, $4 }' | tr '\n' ' ')"
    sleep 2
    n=$((n + 2))
  done
  NODE_IP=${found% *}
  NIC=${found#* }
}

names() {
  local drop_in=$ROOT/etc/systemd/resolved.conf.d/vps-autoscaler.conf
  if systemctl is-active -q systemd-resolved; then
    mkdir -p "${drop_in%/*}"
    printf '[Resolve]\nDNS=%s\nDomains=~.\n' "$DNS" >"$drop_in"
    systemctl restart systemd-resolved
  else
    rm -f "$ROOT/etc/resolv.conf"
    # shellcheck disable=SC2086 # one line for each server
    printf 'nameserver %s\n' $DNS >"$ROOT/etc/resolv.conf"
  fi
}

# Ask the cloud's metadata service; where it is unknown or silent, what cloud-init learned from it,
# if that is the cloud's id as well. A providerID stays for ever: what is no id of the cloud's ends the join.
instance_id() {
  local id='' LC_ALL=C
  if [ -n "${META_GET[*]}" ]; then
    [ -n "$META_CLOUD_INIT" ] || command -v curl >/dev/null || add_packages curl ca-certificates >&2
    ! command -v curl >/dev/null || id=$(retry metadata) || id=
  fi
  [ -n "$id" ] || [ -z "$META_CLOUD_INIT" ] || id=$(cloud-init query v1.instance_id) || id=
  [[ $id =~ ^($ID_PATTERN)$ && $id != *[!A-Za-z0-9._:/~+-]* ]] \
    || die "the metadata service gives no id for $SCHEME, but '${id:0:120}', which is not $ID_PATTERN"
  echo "$id"
}

ask() {
  curl -fsS -m 5 --noproxy '*' "$@"
}

metadata() {
  local token='' text
  [ -z "$META_TOKEN" ] || token=$(ask -X PUT "${TOKEN_REQUEST[@]}") || return 1
  text=$(ask ${token:+-H "$META_TOKEN: $token"} "${META_GET[@]}") || return 1
  # Rendering takes indentation away, so there is none in the Python.
  if [ "$META_FIELDS" = '{}' ]; then echo "$text"; else printf %s "$text" | python3 -c 'import functools, json, re, sys
all = json.load(sys.stdin)
step = lambda at, key: at.get(key) if isinstance(at, dict) else ""
find = lambda path: functools.reduce(step, path.split("."), all)
words = lambda hole: [str(at) for at in map(find, hole[1].split("|")) if type(at) in (str, int) and at != ""]
fill = lambda hole: (words(hole) or sys.exit("error: no " + hole[1]))[0]
print(re.sub("{(.*?)}", fill, sys.argv[1]))' "$META_FIELDS"; fi
}

# What is only known here: the machine's id, its private address, and on which NIC that is.
fill() {
  sed -i "s|@ID@|$MACHINE_ID|g;s|@NODE_IP@|$NODE_IP|g;s|@NIC@|$NIC|g" "$1"
}

# Pods come in through PREROUTING; what the machine itself asks does not. BLOCK names what is blocked as
# ip:ADDRESS and ip6:ADDRESS. Where a kernel without IPv6 has no ip6tables, pods have no IPv6 either.
block() {
  [ -n "$BLOCK" ] || return 0
  local each drop rules='add table inet vps_autoscaler; flush table inet vps_autoscaler;
    add chain inet vps_autoscaler pods { type filter hook prerouting priority -300; }'
  if command -v nft >/dev/null; then
    for each in $BLOCK; do
      rules+="; add rule inet vps_autoscaler pods ${each%%:*} daddr ${each#*:} drop"
    done
    nft "$rules"
  elif command -v iptables >/dev/null; then
    for each in $BLOCK; do
      drop="PREROUTING -d ${each#*:} -j DROP"
      # shellcheck disable=SC2086 # several words
      "${each%%:*}tables" -t raw -C $drop 2>/dev/null || "${each%%:*}tables" -t raw -I $drop \
        || [ "${each%%:*}" = ip6 ]
    done
  else
    die "blockMetadata needs nft or iptables, and the image has neither"
  fi
}

# What a boot forgets is done again after each one, before the kubelet starts.
persist() {
  stage metadata
  block
  [ -z "$BLOCK$GATEWAY$DNS$FIREWALL" ] || systemctl enable vps-autoscaler-boot
}

# Every copy of the user-data, and what was made of it.
wipe() {
  local each
  rm -rf "$CONF/secret" "$CONF/pre-join"
  for each in "$ROOT"/var/lib/cloud/instances/*/; do
    rm -f "$each"user-data.txt* "$each"cloud-config.txt "$each"obj.pkl "$each"scripts/runcmd
  done
  rm -f "$ROOT"/run/cloud-init/{instance-data-sensitive,combined-cloud-config}.json \
    "$ROOT/etc/kubernetes/bootstrap-kubelet.conf"
  ! declare -F wipe_more >/dev/null || wipe_more
}

# The stage, and the last lines that say what went wrong.
reason() {
  local why bad='(^|[^a-z])(error|fatal|failed|cannot|e:|curl:)'
  why=$(grep -v 'stack trace' "$STATE/log" | grep -iE "$bad" | tail -n 2) || why=$(tail -n 1 "$STATE/log")
  why="$why $(journalctl -qo cat -n 50 -u kubelet -u k3s-agent 2>/dev/null | grep -iE "$bad" | tail -n 1)" || :
  case $1 in 124 | 137) why="not done after ${TIMEOUT_S}s; $why" ;; esac
  printf '%s: %s' "$(cat "$STATE/stage" 2>/dev/null)" "$why" | sed -E "$HIDE" | tr '\n\t' '  ' | tr -cd '[:print:]' \
    | cut -c 1-500
}

tell() {
  local line="vps-autoscaler: $NODE_NAME: $1" each
  echo "$line"
  for each in "$ROOT/dev/ttyS0" "$ROOT/dev/console"; do
    # A console that nobody reads may block whoever writes to it.
    # shellcheck disable=SC2016 # they are the arguments
    [ ! -e "$each" ] || timeout 5 bash -c 'echo "$1" >"$2"' - "$line" "$each" 2>/dev/null || :
  done
}

give_up() {
  printf '%s\n' "$NODE_NAME" "$1" >"$STATE/failed"
  tell "join failed: $1"
  sync
  if [ "$KEEP_FAILED_MINUTES" != 0 ]; then
    systemd-run --on-active="${KEEP_FAILED_MINUTES}min" systemctl poweroff && return
  fi
  systemctl poweroff || systemctl poweroff --force --force
}

case ${1-} in
  '') main ;;
  stages | paths) "$1" ;;
  boot)
    block
    network
    firewall
    ;;
esac
