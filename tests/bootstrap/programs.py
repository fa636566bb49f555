"""The programs of a machine in a folder: bash and Python that behave as the real ones are seen to.

They find what they know under ``$SIM`` and other programs under ``$BIN``, and write down how they
were called.
"""

from __future__ import annotations

FAKES = {
    "apt-get": r"""
args=$*
[ ! -e "$SIM/apt-fails" ] || { echo 'E: Unable to fetch some archives'; exit 100; }
case $args in *' install '*) ;; *) exit 0 ;; esac
[ ! -e "$SIM/apt-installs-nothing" ] || exit 0
for each in "$@"; do
  case $each in
    containerd.io) "$SIM/give" containerd 'github.com/x/v2 v2.3.1 abc' bin_dirs ;;
    containerd) "$SIM/give" containerd 'github.com/x 1.7.24~ds1 x' bin_dir ;;
    kubelet=*) v=${each#kubelet=}; "$SIM/give" kubelet "v${v%.*}.3" ;;
    kubeadm=*) v=${each#kubeadm=}; "$SIM/give" kubeadm "v${v%.*}.3" ;;
    curl) cp "$SIM/curl" "$BIN/curl" ;;
    iptables) "$SIM/give" iptables ;;
  esac
done
""",
    "apt-mark": "",
    "cloud-init": 'cat "$SIM/instance-id"',
    "firewall-cmd": r"""
case $* in
  --get-default-zone) echo public ;;
  --get-zone-of-interface=eth1) echo internal ;;
  --get-zone-of-interface*) echo 'no zone'; exit 2 ;;
esac
""",
    "getent": """echo '203.0.113.10 STREAM api'; echo '203.0.113.10 DGRAM'""",
    "ip": r"""
case $* in
  *'addr show'*)
    now=$(cat "$SIM/clock"); late=$(cat "$SIM/attached-at")
    cat "$SIM/addresses"
    [ "$now" -lt "$late" ] || cat "$SIM/late-addresses" ;;
  '-4 route show'*) cat "$SIM/routes" ;;
esac
""",
    "journalctl": 'cat "$SIM/journal"',
    "modprobe": "",
    "nft": r"""case $* in 'list ruleset') cat "$SIM/ruleset" ;; esac""",
    "sleep": 'echo $(($(cat "$SIM/clock") + $1)) >"$SIM/clock"',
    "swapoff": "",
    "sync": "",
    "sysctl": r"""
sed -E '/^#|^$/d;s/ *= */ /' "$2" | while read -r key value; do
  case $key in */*) ;; *) key=${key//.//} ;; esac
  file=$JOIN_ROOT/proc/sys/$key
  case $key in
    net/ipv6/*) [ -e "$file" ] || { echo "sysctl: cannot stat $file" >&2; exit 255; } ;;
    *) mkdir -p "${file%/*}" ;;
  esac
  echo "$value" >"$file"
  [ "$key $value" = 'net/ipv6/conf/all/forwarding 1' ] || continue
  # Who listens to routers only as long as nothing is forwarded loses the way out.
  for each in "$JOIN_ROOT"/proc/sys/net/ipv6/conf/*/accept_ra; do
    [ "$(cat "$each")" != 1 ] || echo "${each%/*}" >>"$SIM/deaf"
  done
done
""",
    "systemctl": r"""
case $* in
  'is-active -q systemd-resolved') [ -e "$SIM/resolved" ] ;;
  'is-active -q firewalld') [ -e "$SIM/firewalld" ] ;;
  list-units*) cat "$SIM/swap-units" ;;
esac
""",
    "systemd-run": "",
}

CURL = r"""
import json, os, pathlib, sys
sim = pathlib.Path(os.environ["SIM"])
web = json.loads((sim / "web.json").read_text())
args, headers, method, out = sys.argv[1:], {}, "GET", None
follow, proto, redir = False, "=http,https,file", "=http,https"
rc = pathlib.Path(os.environ.get("CURL_HOME", "/nowhere"), ".curlrc")
for line in rc.read_text().splitlines() if rc.exists() else ():
    key, _, value = line.partition(" = ")
    redir = value.strip('"') if key == "proto-redir" else redir
url = args[-1]
for at, word in enumerate(args):
    if word == "-H":
        key, _, value = args[at + 1].partition(": ")
        headers[key] = value
    if word == "-X":
        method = args[at + 1]
    if word == "-o":
        out = args[at + 1]
    if word == "--proto":
        proto = args[at + 1]
    if word == "--proto-redir":
        redir = args[at + 1]
    follow = follow or (word[0] == "-" != word[1:2] and "L" in word)

def may(url, only):
    if url.split(":")[0] not in only.removeprefix("=").split(","):
        sys.stderr.write(f"curl: (1) Protocol \"{url.split(':')[0]}\" not supported or disabled\n")
        sys.exit(1)

may(url, proto)
page = web.get(f"{method} {url}")
while follow and page is not None and page.get("moved"):
    url = page["moved"]
    may(url, redir)
    with (sim / "calls").open("a") as calls:
        calls.write(f"followed {url}\n")
    page = web.get(f"{method} {url}")
if page is None or any(headers.get(key) != value for key, value in page["wants"].items()):
    sys.stderr.write(f"curl: (22) The requested URL returned error: 404 {url}\n")
    sys.exit(22)
if out:
    pathlib.Path(out).write_text(page["text"])
else:
    sys.stdout.write(page["text"])
"""

GIVE = r"""#!/bin/bash
# Bring a program: name and what it says of itself.
case $1 in
  containerd) body="case \$* in --version) echo 'containerd $2' ;; *) echo \"$3 = x\" ;; esac" ;;
  kubelet) body="echo 'Kubernetes $2'" ;;
  kubeadm) body='case $* in
    version*) echo '"$2"' ;;
    reset*) rm -f "$JOIN_ROOT/etc/kubernetes/kubelet.conf" ;;
    join*)
      [ ! -e "$SIM/join-hangs" ] || /bin/sleep 60
      cp "$3" "$SIM/joined-with"
      forwards=$JOIN_ROOT/proc/sys/net/ipv6/conf/default/forwarding
      if grep -q "apiServerEndpoint.:.\[" "$3" && [ "$(cat "$forwards")" != 1 ]; then
        echo "[ERROR FileContent]: $forwards contents are not set to 1" >&2
        exit 1
      fi
      stat -c %a "$3" >"$SIM/joined-mode"
      left=$(cat "$SIM/join-fails")
      if [ "$left" -gt 0 ]; then
        echo $((left - 1)) >"$SIM/join-fails"
        echo "error execution phase preflight: x509: certificate signed by unknown authority," \
          "token abcdef.0123456789abcdef" >&2
        echo "To see the stack trace of this error execute with --v=5 or higher" >&2
        exit 1
      fi
      mkdir -p "$JOIN_ROOT/etc/kubernetes"
      sed -E "s/.*nodeRegistration.:.\"name\":\"([^\"]*).*/\1/" "$3" \
        >"$JOIN_ROOT/etc/kubernetes/kubelet.conf"
      [ ! -e "$SIM/kubelet-config" ] || {
        mkdir -p "$JOIN_ROOT/var/lib/kubelet"
        cp "$SIM/kubelet-config" "$JOIN_ROOT/var/lib/kubelet/config.yaml"
      }
      "$SIM/start" kubelet ;;
  esac' ;;
  k3s) body='case $* in
    --version) echo "k3s version '"$2"' (abc)" ;;
    *"get node"*)
      [ ! -e "$SIM/not-registered" ] || { echo "Error from server (NotFound)" >&2; exit 1; } ;;
  esac' ;;
  iptables) body='case $* in *-C*) exit 1 ;; esac' ;;
esac
printf '#!/bin/bash\necho "%s $*" >>"$SIM/calls"\n%s\n' "$1" "$body" >"$BIN/$1"
chmod 755 "$BIN/$1"
"""

START = r"""#!/bin/bash
# Start a unit as systemd does: what its drop-ins say comes first.
for each in "$JOIN_ROOT/etc/systemd/system/$1.service.d"/*.conf; do
  [ -e "$each" ] || continue
  sed -n 's/^ExecStartPre=-//p' "$each" | while read -r line; do
    bash -c "$JOIN_ROOT$line" >>"$SIM/journal-of-$1" 2>&1 || echo "$line: $?" >>"$SIM/journal-of-$1"
  done
done
"""
