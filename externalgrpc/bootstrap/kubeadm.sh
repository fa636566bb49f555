# shellcheck shell=bash
# shellcheck disable=SC2154 # join.sh, which follows, and join.env bring what is not set here

# Join with kubeadm: what join.sh calls. Whatever the image has already is left as it is.
cluster() {
  kernel
  # shellcheck source=/dev/null
  read -r OS RELEASE <<<"$(. "$ROOT/etc/os-release" && echo "$ID ${VERSION_CODENAME-}")"
  stage containerd
  containerd_up
  stage kubelet
  kubernetes
  persist
  stage kubeadm
  done_here kubeadm || TRIES=3 retry join || die "kubeadm did not join"
}

kernel() {
  local unit
  stage kernel
  modprobe -a overlay br_netfilter
  sysctl -qp "$ROOT/etc/sysctl.d/99-vps-autoscaler.conf"
  swapoff -a
  sed -i -E '/^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]/d' "$ROOT/etc/fstab"
  systemctl list-units --type=swap --all --plain --no-legend | while read -r unit _; do
    systemctl mask "$unit"
  done
}

# Add a source of packages: name, address, suite and component, key. apt reads armoured keys.
source_of() {
  case $OS in debian | ubuntu) ;; *) die "packages come for Debian and Ubuntu, not for $OS" ;; esac
  mkdir -p "$ROOT/etc/apt/keyrings"
  fetch "${4//'{os}'/$OS}" "$ROOT/etc/apt/keyrings/$1.asc"
  echo "deb [signed-by=/etc/apt/keyrings/$1.asc] ${2//'{os}'/$OS} $3" >"$ROOT/etc/apt/sources.list.d/$1.list"
  chmod 644 "$ROOT/etc/apt/keyrings/$1.asc" "$ROOT/etc/apt/sources.list.d/$1.list"
}

containerd_up() {
  local config=$ROOT/etc/containerd/config.toml
  if ! command -v containerd >/dev/null; then
    case $CONTAINERD in
      packages)
        source_of docker "$CONTAINERD_URL" "$RELEASE stable" "$CONTAINERD_KEY"
        add_packages containerd.io
        ;;
      distribution) add_packages containerd ;;
      *) die "the image holds no containerd" ;;
    esac
  fi
  if ! grep -qs 'SystemdCgroup = true' "$config"; then
    mkdir -p "${config%/*}"
    containerd_config >"$config"
    systemctl restart containerd
  elif [ -e "$CONF/proxy.env" ]; then
    systemctl restart containerd
  fi
  systemctl enable --now containerd
}

# Tables of a version 2 file mean nothing in a version 3 file, and the other way round. Packages of
# distributions look for CNI plugins elsewhere than everyone who installs them; 2.1 renamed the key.
containerd_config() {
  local version=3 runtime="plugins.'io.containerd.cri.v1.runtime'" images="plugins.'io.containerd.cri.v1.images'"
  local sandbox="[$images.pinned_images]
sandbox =" bin="bin_dir = '/opt/cni/bin'"
  case $(containerd --version) in
    *' '1.* | *' 'v1.*)
      version=2 runtime='plugins."io.containerd.grpc.v1.cri"'
      images=$runtime
      sandbox="[$images]
sandbox_image ="
      ;;
  esac
  case $(containerd config default) in *bin_dirs*) bin="bin_dirs = ['/opt/cni/bin']" ;; esac
  cat <<EOT
version = $version
imports = ['/etc/containerd/conf.d/*.toml']
[$runtime.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[$runtime.containerd.runtimes.runc.options]
SystemdCgroup = true
[$runtime.cni]
$bin
[$images.registry]
config_path = '/etc/containerd/certs.d'
EOT
  [ -z "$SANDBOX" ] || echo "$sandbox '$SANDBOX'"
}

kubernetes() {
  if ! same_minor; then
    [ "$KUBERNETES" = packages ] || die "the image holds no kubelet and kubeadm of $MINOR"
    source_of kubernetes "$KUBERNETES_URL" / "$KUBERNETES_KEY"
    add_packages "kubelet=$MINOR.*" "kubeadm=$MINOR.*" conntrack iptables
    apt-mark hold kubelet kubeadm
    same_minor || die "kubelet and kubeadm of $MINOR were installed, but others are on the PATH"
  fi
  systemctl enable kubelet
}

same_minor() {
  [[ $(kubelet --version 2>&1) == "Kubernetes v$MINOR."* && $(kubeadm version -o short 2>&1) == "v$MINOR."* ]]
}

# Paths in the cluster's kubelet-config are those of the machine that it was made on (an Ubuntu control
# plane names /run/systemd/resolve/resolv.conf). This runs before each start of the kubelet, so that
# what kubeadm writes later, to upgrade, is looked at as well. kubeadm writes one key on each line.
paths() {
  FILE=$ROOT/var/lib/kubelet/config.yaml
  [ -e "$FILE" ] || return 0
  local now each
  now=$(value resolvConf)
  if [ -n "$now" ] && ! resolves "$now"; then
    for each in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
      ! resolves "$each" || break
    done
    # Where none resolves for pods, one that is there is left alone.
    if resolves "$each" || [ ! -e "$ROOT$now" ]; then here resolvConf "$now" "$each"; fi
  fi
  now=$(value clientCAFile)
  present "$now" || here clientCAFile "$now" /etc/kubernetes/pki/ca.crt
  # The service of images may start after us at a boot: what was there at the join stays.
  now=$(value imageServiceEndpoint)
  done_here joined || present "$now" || mark own-images
  ! done_here own-images || here imageServiceEndpoint "$now" '""'
  # Folders, and slices that something is reserved for, need only to be there.
  for each in staticPodPath volumePluginDir podLogsDir; do
    now=$(value $each)
    present "$now" || mkdir -p "$ROOT$now" || :
  done
  for each in kubeReservedCgroup systemReservedCgroup; do
    now=/sys/fs/cgroup/$(value $each)
    case $now in *.slice) present "$now" || systemctl start "${now##*/}" ;; esac
  done
}

value() {
  sed -nE "s/^ *$1: *[\"']?([^\"' ]*).*/\1/p" "$FILE"
}

here() {
  echo "kubelet-config: $1 $2 is of another machine, here it is $3"
  sed -i -E "s|^( *)$1:.*|\1$1: $3|" "$FILE"
}

# What is no path counts as there.
present() {
  local path=${1#unix://}
  [ "${path#/}" = "$path" ] || [ -e "$ROOT$path" ]
}

# Pods cannot reach a server on the machine's loopback, such as systemd-resolved's stub.
resolves() {
  grep -sE '^[[:space:]]*nameserver' "$ROOT$1" | grep -qvE 'nameserver[[:space:]]+(127\.|::1)'
}

join() {
  local config=$CONF/secret/join.yaml
  fill "$config"
  # What an image or an earlier try left of another node.
  [ ! -e "$ROOT/etc/kubernetes/kubelet.conf" ] || kubeadm reset -f
  kubeadm join --config "$config" && mark kubeadm && return
  kubeadm reset -f >/dev/null 2>&1 || :
  return 1
}
