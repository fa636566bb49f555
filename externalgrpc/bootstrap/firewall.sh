# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # join.sh, which follows, and join.env use and bring what is not here

# A firewall of the image (Vultr's Debian and Ubuntu: ufw, with nothing but 22 open) makes a node that is
# ready and that neither the API server nor other nodes' pods reach.
firewall() {
  local kind=
  FIREWALL='' SHUT=''
  if command -v ufw >/dev/null && [[ $(LC_ALL=C ufw status) == *'Status: active'* ]]; then
    kind=ufw
  elif command -v firewall-cmd >/dev/null && systemctl is-active -q firewalld; then
    kind=firewalld
  elif command -v nft >/dev/null && SHUT=$(shut) && [ -n "$SHUT" ]; then
    kind=nftables
  fi
  [ -n "$kind" ] || return 0
  stage firewall
  tell "the image has a firewall ($kind); hostFirewall: $HOST_FIREWALL"
  case $HOST_FIREWALL in
    open)
      FIREWALL=$kind
      networks
      "open_$kind"
      ;;
    off) "off_$kind" ;;
  esac
}

# Base chains that let nothing in by default: by their policy, or by what their last line says.
shut() {
  nft list ruleset | awk '
    $1 == "table" { table = $2 " " $3 }
    $1 == "chain" { chain = $2; hook = 0 }
    /hook (input|forward)/ { hook = 1; last = /policy drop/ ? "drop" : ""; next }
    hook && $1 == "}" { if (last ~ /^(drop|reject)/) print table, chain; hook = 0 }
    hook && last != "drop" { last = $0; sub(/^[ \t]*(counter packets [0-9]+ bytes [0-9]+ )?/, "", last) }'
}

# From where the node is reached: the networks that are named, the private one, the API server. Where
# nodes have nothing but public addresses and nobody named them, their ports are for everybody.
networks() {
  local each
  FROM="$CLUSTER_NETWORKS $SUBNET" NICS='' TCP='' UDP=''
  if [ -z "$SUBNET" ] && [ -n "$NIC" ]; then
    for each in $(ip -4 route show dev "$NIC" | grep -oE '^(10|172\.(1[6-9]|2[0-9]|3[01])|192\.168)\.[0-9.]+/[0-9]+'); do
      [ "$each" = "$BESIDE" ] || FROM+=" $each" # other customers are in that one
    done
  fi
  if [ -z "${FROM// /}" ]; then
    tell "no network of the nodes is known (clusterNetworks): their ports are open to everybody"
    TCP=10250,179,4240,5473 # the kubelet, BGP, Cilium, Typha
    UDP=8472,4789,6081,51820,51821 # VXLAN, Geneve, WireGuard
  fi
  FROM+=" $(getent ahosts "$API_HOST" | awk '!seen[$1]++ { printf "%s ", $1 }')" || :
  for each in "$ROOT"/sys/class/net/*; do
    ! is_nic "${each##*/}" || NICS+=" ${each##*/}"
  done
}

# What comes from no NIC comes from pods or the machine itself.
open_ufw() {
  local ipt each chain own=VPS-AUTOSCALER
  for ipt in iptables ip6tables; do
    $ipt -w -N $own 2>/dev/null || $ipt -w -F $own
    $ipt -w -A $own -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    for each in $FROM; do
      case $ipt,$each in iptables,*.* | ip6tables,*:*) $ipt -w -A $own -s "$each" -j ACCEPT ;; esac
    done
    if [ -n "$TCP" ]; then
      $ipt -w -A $own -m addrtype --dst-type LOCAL -p tcp -m multiport --dports "$TCP" -j ACCEPT
      $ipt -w -A $own -m addrtype --dst-type LOCAL -p udp -m multiport --dports "$UDP" -j ACCEPT
    fi
    for each in $NICS; do $ipt -w -A $own -i "$each" -j RETURN; done
    $ipt -w -A $own -j ACCEPT
    for chain in INPUT FORWARD; do
      $ipt -w -C $chain -j $own 2>/dev/null || $ipt -w -I $chain -j $own
    done
  done
}

off_ufw() {
  ufw --force disable
}

# Interfaces that firewalld does not know are in its default zone: NICs stay in the one where they are.
open_firewalld() {
  local zone default each port
  set -- firewall-cmd --permanent
  default=$(firewall-cmd --get-default-zone)
  for each in $NICS; do
    zone=$(firewall-cmd --get-zone-of-interface="$each") || zone=$default
    [ "$default" = trusted ] || "$@" --zone="$zone" --change-interface="$each"
    for port in ${TCP//,/ }; do "$@" --zone="$zone" --add-port="$port/tcp"; done
    for port in ${UDP//,/ }; do "$@" --zone="$zone" --add-port="$port/udp"; done
  done
  for each in $FROM; do "$@" --zone=trusted --add-source="$each"; done
  firewall-cmd --set-default-zone=trusted
  firewall-cmd --reload
}

off_firewalld() {
  systemctl disable --now firewalld
}

open_nftables() {
  local family table chain each
  # Where iptables made the chains, rules of another kind would be in the way of kube-proxy's.
  ! grep -E ' (INPUT|FORWARD)$' <<<"$SHUT" || open_ufw
  grep -vE ' (INPUT|FORWARD)$' <<<"$SHUT" | while read -r family table chain; do
    ! nft list chain "$family" "$table" "$chain" | grep vps-autoscaler || continue
    set -- nft insert rule "$family" "$table" "$chain"
    for each in $FROM; do
      case $family,$each in
        ip,*.* | inet,*.*) "$@" ip saddr "$each" accept ;;
        ip6,*:* | inet,*:*) "$@" ip6 saddr "$each" accept ;;
      esac
    done
    [ -z "$TCP" ] || "$@" fib daddr type local tcp dport "{ $TCP }" accept
    [ -z "$UDP" ] || "$@" fib daddr type local udp dport "{ $UDP }" accept
    "$@" ct state established,related accept
    # shellcheck disable=SC2086 # a list
    "$@" iifname != "{ $(printf '"%s",' $NICS) }" accept comment '"vps-autoscaler"'
  done || :
}

off_nftables() {
  systemctl disable nftables || :
  awk '!seen[$1, $2]++ { print $1, $2 }' <<<"$SHUT" | while read -r family table; do
    nft delete table "$family" "$table"
  done
}
