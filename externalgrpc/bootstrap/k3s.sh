# shellcheck shell=bash
# shellcheck disable=SC2154 # join.sh, which follows, and join.env bring what is not set here

# Join with k3s as an agent: what join.sh calls.
cluster() {
  local agent=$ROOT/var/lib/rancher/k3s/agent skip=
  persist
  stage k3s
  if ! done_here k3s; then
    fill "$CONF/secret/k3s.yaml"
    # What an image or an earlier try left of another node.
    rm -f "$agent"/*.{crt,key,kubeconfig} "$ROOT/etc/rancher/node/password"
    mkdir -p "$ROOT/etc/rancher/k3s"
    cp --preserve=mode "$CONF/secret/k3s.yaml" "$ROOT/etc/rancher/k3s/config.yaml"
    [[ $(k3s --version 2>&1) != "k3s version $K3S_VERSION "* ]] || skip=true
    if [ -n "$skip" ] && [ -e "$ROOT/etc/systemd/system/k3s-agent.service" ]; then
      systemctl enable k3s-agent
      systemctl restart k3s-agent
    else
      fetch "$K3S_INSTALLER" "$STATE/k3s-install.sh"
      careful "$STATE/.curlrc"
      CURL_HOME=$STATE INSTALL_K3S_EXEC=agent INSTALL_K3S_VERSION=$K3S_VERSION INSTALL_K3S_SKIP_DOWNLOAD=$skip \
        sh "$STATE/k3s-install.sh"
    fi
    retry k3s kubectl --kubeconfig "$agent/kubelet.kubeconfig" get node "$NODE_NAME" -o name \
      || die "the agent runs, but its node did not register"
    mark k3s
  fi
}

# The installer calls curl itself: it too shall follow no https to http. What the image's own
# .curlrc says (a proxy, say) goes on to count.
careful() {
  cat "${HOME:-/root}/.curlrc" >"$1" 2>/dev/null || :
  case $K3S_INSTALLER in https:*) printf '\nproto-redir = "=https"\n' >>"$1" ;; esac
}

# The agent wants a token that looks like one whenever it starts, and then shows its certificate.
wipe_more() {
  local config=$ROOT/etc/rancher/k3s/config.yaml
  [ ! -e "$config" ] || sed -i -E 's/(::[a-z0-9]{6}\.)[a-z0-9]{16}/\10000000000000000/' "$config"
}
