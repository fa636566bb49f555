{{- define "vps.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "vps.fullname" -}}
{{- $name := include "vps.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "vps.selector" -}}
app.kubernetes.io/name: {{ include "vps.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vps.labels" -}}
{{- $own := dict "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") "app.kubernetes.io/version" .Chart.AppVersion "app.kubernetes.io/managed-by" .Release.Service "app.kubernetes.io/name" (include "vps.name" .) "app.kubernetes.io/instance" .Release.Name -}}
{{- toYaml (merge $own .Values.commonLabels) -}}
{{- end }}

{{- define "vps.account" -}}
{{- default (ternary (include "vps.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end }}

{{- define "vps.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "vps.account" . }}
{{- end }}

{{- define "vps.subject" -}}
- {kind: ServiceAccount, name: {{ include "vps.account" . }}, namespace: {{ .Release.Namespace }}}
{{- end }}

{{- define "vps.configMap" -}}
{{- default (include "vps.fullname" .) .Values.existingConfigMap -}}
{{- end }}

{{/* Whose annotation pauses the server: what its file names; one that we do not see may leave it unsaid. */}}
{{- define "vps.pauseConfigMaps" -}}
{{- $said := dig "configMap" (include "vps.configMap" .) (.Values.config.kubernetes | default dict) -}}
{{- if .Values.existingConfigMap }}{{ list $said "vps-autoscaler" | uniq | toJson }}{{ else }}{{ list $said | toJson }}{{ end -}}
{{- end }}

{{- define "vps.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end }}

{{/* The cluster's minor: some vendors say 33+. */}}
{{- define "vps.minor" -}}
{{- regexFind "^[0-9]+" (toString .Capabilities.KubeVersion.Minor) -}}
{{- end }}

{{/* A map of the values file would be merged with a person's: neither {} nor other labels could leave the control plane. */}}
{{- define "vps.nodeSelector" -}}
{{- if kindIs "map" .Values.nodeSelector }}{{ toYaml .Values.nodeSelector }}{{ else }}node-role.kubernetes.io/control-plane: ""{{ end }}
{{- end }}

{{/* For each minor, a release that is there; patches since then: autoscaler.image.tag. */}}
{{- define "vps.autoscalerTags" -}}
"28": v1.28.7
"29": v1.29.5
"30": v1.30.7
"31": v1.31.5
"32": v1.32.7
"33": v1.33.6
"34": v1.34.5
"35": v1.35.2
"36": v1.36.1
"37": v1.37.0
{{- end }}

{{- define "vps.autoscalerTag" -}}
{{- $tags := include "vps.autoscalerTags" . | fromYaml -}}
{{- $image := .Values.autoscaler.image -}}
{{- $minor := include "vps.minor" . -}}
{{- if $image.tag -}}
{{- $image.tag -}}
{{- else if hasKey $tags $minor -}}
{{- get $tags $minor -}}
{{- else if not $image.digest -}}
{{- fail (printf "\n\nThis chart knows releases of Cluster Autoscaler for Kubernetes 1.28 to 1.37, and this cluster is %s. Set autoscaler.image.tag to the release that you want, for example v1.%s.0." .Capabilities.KubeVersion.Version $minor) -}}
{{- end -}}
{{- end }}

{{- define "vps.autoscalerImage" -}}
{{- $image := .Values.autoscaler.image -}}
{{- $tag := include "vps.autoscalerTag" . -}}
{{- $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end -}}
{{- end }}

{{/* The autoscaler's minor, for flags that not every release knows: by its tag, else the cluster's. */}}
{{- define "vps.autoscalerMinor" -}}
{{- $tag := include "vps.autoscalerTag" . -}}
{{- if regexMatch "^v?1\\.[0-9]+" $tag -}}
{{- regexFind "[0-9]+$" (regexFind "^v?1\\.[0-9]+" $tag) -}}
{{- else -}}
{{- include "vps.minor" . -}}
{{- end -}}
{{- end }}

{{/* docs/autoscaler.md says why each of them. */}}
{{- define "vps.autoscalerFlags" -}}
{{- $minor := include "vps.autoscalerMinor" . | int -}}
{{- $flags := dict "cloud-provider" "externalgrpc" "cloud-config" "/etc/cluster-autoscaler/cloud-config.yaml" "namespace" .Release.Namespace "expander" .Values.autoscaler.expander "enforce-node-group-min-size" "true" "node-info-cache-expire-time" "10m" "v" .Values.autoscaler.verbosity -}}
{{- if ge $minor 32 -}}{{- $_ := set $flags "force-delete-unregistered-nodes" "true" -}}{{- end -}}
{{- if .Values.autoscaler.capacityBuffers.enabled -}}
{{- $_ := set $flags "capacity-buffer-controller-enabled" "true" -}}
{{- $_ := set $flags "capacity-buffer-pod-injection-enabled" "true" -}}
{{- if eq $minor 35 -}}{{- $_ := set $flags "kube-api-content-type" "application/json" -}}{{- end -}}
{{- end -}}
{{- $flags = mergeOverwrite $flags .Values.autoscaler.extraArgs -}}
{{- range $name, $value := $flags }}
- --{{ $name }}={{ $value }}
{{- end }}
{{- end }}

{{/* The clouds whose tokens come from the environment: those of groups and accounts without a tokenFile. */}}
{{- define "vps.clouds" -}}
{{- $clouds := dict -}}
{{- $filed := dict -}}
{{- range (.Values.config.accounts | default list) -}}
{{- $_ := set (ternary $filed $clouds (hasKey . "tokenFile")) .provider "yes" -}}
{{- end -}}
{{- range (.Values.config.nodes | default list) -}}
{{- if and .provider (not .account) (not (hasKey $filed .provider)) -}}{{- $_ := set $clouds .provider "yes" -}}{{- end -}}
{{- end -}}
{{- if .Values.existingConfigMap -}}{{- $clouds = dict "hetzner" "" "linode" "" "digitalocean" "" "vultr" "" -}}{{- end -}}
{{- toYaml $clouds -}}
{{- end }}

{{- define "vps.tokens" -}}
{{- $clouds := include "vps.clouds" . | fromYaml -}}
{{- $tokens := .Values.tokens -}}
{{- $optional := not (empty .Values.existingConfigMap) -}}
{{- range $cloud, $variable := dict "hetzner" "HCLOUD_TOKEN" "linode" "LINODE_TOKEN" "digitalocean" "DIGITALOCEAN_TOKEN" "vultr" "VULTR_API_KEY" }}
{{- if hasKey $clouds $cloud }}
- name: {{ $variable }}
  valueFrom: {secretKeyRef: {name: {{ $tokens.existingSecret }}, key: {{ get $tokens $cloud }}, optional: {{ $optional }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* "yes" where several pods share the work, and one of them acts. */}}
{{- define "vps.several" -}}
{{- if gt (int .Values.replicas) 1 -}}yes{{- end -}}
{{- end }}

{{/* The Lease that says which: the autoscaler's, or one of ours. */}}
{{- define "vps.lease" -}}
{{- if .Values.autoscaler.enabled -}}
{{- default "cluster-autoscaler" (get .Values.autoscaler.extraArgs "leader-elect-resource-name") -}}
{{- else -}}
{{- include "vps.fullname" . -}}
{{- end -}}
{{- end }}

{{- define "vps.serverEnv" -}}
{{- include "vps.tokens" . }}
{{- if and (include "vps.several" .) (not .Values.autoscaler.enabled) }}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- end }}
{{- with .Values.server.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the server and its test see of files. */}}
{{- define "vps.serverMounts" -}}
- {name: config, mountPath: /etc/vps-autoscaler, readOnly: true}
- {name: tokens, mountPath: /etc/vps-autoscaler-tokens, readOnly: true}
{{- with .Values.server.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vps.serverVolumes" -}}
- name: config
  configMap: {name: {{ include "vps.configMap" . }}}
- name: tokens
  secret: {secretName: {{ .Values.tokens.existingSecret }}, optional: true}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "vps.tlsSecret" -}}
{{- default (printf "%s-tls" (include "vps.fullname" .)) .Values.tls.existingSecret -}}
{{- end }}

{{- define "vps.clientSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{- default (printf "%s-client" (include "vps.fullname" .)) .Values.tls.clientSecret -}}
{{- else -}}
{{- .Values.tls.clientSecret -}}
{{- end -}}
{{- end }}

{{- define "vps.host" -}}
{{ include "vps.fullname" . }}.{{ .Release.Namespace }}.svc
{{- end }}

{{/* "yes" where the rights of joins are granted. */}}
{{- define "vps.joins" -}}
{{- $said := toString .Values.rbac.joins -}}
{{- if or (eq $said "true") (and (eq $said "auto") (hasKey .Values.config "kubernetes")) -}}yes{{- end -}}
{{- end }}

{{- define "vps.ownApproval" -}}
{{- $said := toString .Values.rbac.ownApproval -}}
{{- $file := and (hasKey .Values.config "kubernetes") (dig "ownApproval" false (.Values.config.kubernetes | default dict)) -}}
{{- if or (eq $said "true") (and (eq $said "auto") $file) -}}yes{{- end -}}
{{- end }}

{{- define "vps.vpsNodes" -}}
{{- $said := toString .Values.rbac.vpsNodes -}}
{{- if or (eq $said "true") (and (eq $said "auto") (include "vps.joins" .)) -}}yes{{- end -}}
{{- end -}}

{{/* "yes" where the rights to keep room in groups are granted. */}}
{{- define "vps.headroom" -}}
{{- $said := toString .Values.rbac.headroom -}}
{{- $asked := dict -}}
{{- range (.Values.config.nodes | default list) -}}
{{- if or (hasKey . "targetCPU") (hasKey . "headroom") -}}{{- $_ := set $asked "yes" "yes" -}}{{- end -}}
{{- end -}}
{{- if or (eq $said "true") (and (eq $said "auto") $asked) -}}yes{{- end -}}
{{- end }}

{{/* "yes" where the cluster knows ValidatingAdmissionPolicies. */}}
{{- define "vps.fences" -}}
{{- $known := or (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy") -}}
{{- if and .Values.admissionPolicies.enabled $known -}}yes{{- end -}}
{{- end }}

{{/* The configuration, with Events on the ConfigMap that it lies in. */}}
{{- define "vps.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if hasKey $config "kubernetes" -}}
{{- $_ := set $config "kubernetes" (merge ($config.kubernetes | default dict) (dict "configMap" (include "vps.configMap" .))) -}}
{{- end -}}
{{- if and .Values.statusPage.enabled (not (hasKey $config "statusPage")) -}}
{{- $_ := set $config "statusPage" true -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{/* Whether a kind of somebody else's is there; fails with a sentence where it is not. */}}
{{- define "vps.needs" -}}
{{- $top := index . 0 -}}{{- $api := index . 1 -}}{{- $value := index . 2 -}}{{- $from := index . 3 -}}
{{- if not ($top.Capabilities.APIVersions.Has $api) -}}
{{- fail (printf "\n\n%s is on, and this cluster does not know %s. Install %s first, or switch it off; helm template knows of it with --api-versions %s." $value $api $from $api) -}}
{{- end -}}
{{- end }}
