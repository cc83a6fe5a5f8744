{{/*
What all templates share: names, labels, where things are. A helper's first line says what it gives.
"Component" is venue, checkpoint, quarantine, gateway, postgres, nats, prepare, migrate, bus or rehearsal.
*/}}

{{/* The chart's name in labels. */}}
{{- define "lilitong.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 34 | trimSuffix "-" -}}
{{- end -}}

{{/* Prefix of every object's name; short enough for "-checkpoint-…" behind it. */}}
{{- define "lilitong.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 34 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 34 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods of a component are selected; never change. Takes (list $ component). */}}
{{- define "lilitong.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "lilitong.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of an object. Takes (list $ component). */}}
{{- define "lilitong.labels" -}}
{{- $root := index . 0 -}}
{{ include "lilitong.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: lilitong
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Our four services, as JSON: {"list": […]}. */}}
{{- define "lilitong.services" -}}{"list": ["venue", "checkpoint", "quarantine", "gateway"]}{{- end -}}

{{/* Those with a database and the bus, as JSON. */}}
{{- define "lilitong.stores" -}}{"list": ["venue", "checkpoint", "quarantine"]}{{- end -}}

{{/* Those that call another service in their own name, as JSON: they sign for it, and quarantine knows their certificates. */}}
{{- define "lilitong.callers" -}}{"list": ["venue", "checkpoint"]}{{- end -}}

{{/* Image of one of ours. Takes (list $ name). */}}
{{- define "lilitong.image" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}
{{- $images := $root.Values.images -}}
{{- $place := ternary (printf "%s/%s" (trimSuffix "/" $images.registry) $name) $name (ne $images.registry "") -}}
{{- if $digest := get $images.digests $name -}}
{{- printf "%s@%s" $place $digest -}}
{{- else -}}
{{- printf "%s:%s" $place (default $root.Chart.AppVersion $images.tag) -}}
{{- end -}}
{{- end -}}

{{/* Image of a server that is not ours. Takes its values: image, tag, digest. */}}
{{- define "lilitong.serverImage" -}}
{{- if .digest -}}{{- printf "%s@%s" .image .digest -}}{{- else -}}{{- printf "%s:%s" .image .tag -}}{{- end -}}
{{- end -}}

{{/* "true" when pods speak TLS to each other. */}}
{{- define "lilitong.tls" -}}{{- if ne .Values.tls.mode "off" -}}true{{- end -}}{{- end -}}

{{/* "true" when a Gateway leaves scanners' TLS to checkpoint. */}}
{{- define "lilitong.scannersPassThrough" -}}
{{- if and .Values.gatewayApi.enabled (eq (include "lilitong.tls" .) "true") (eq .Values.gatewayApi.scannerTls "passthrough") -}}true{{- end -}}
{{- end -}}

{{/* The version of TLSRoute that the cluster has; the first in the standard channel is v1, of Gateway API 1.5. */}}
{{- define "lilitong.tlsRouteVersion" -}}
{{- $version := "v1" -}}
{{- range $older := list "v1alpha3" "v1alpha2" -}}
{{- if and (not ($.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1/TLSRoute")) ($.Capabilities.APIVersions.Has (printf "gateway.networking.k8s.io/%s/TLSRoute" $older)) (eq $version "v1") -}}
{{- $version = $older -}}
{{- end -}}
{{- end -}}
gateway.networking.k8s.io/{{ $version }}
{{- end -}}

{{/* "true" when everything came with the release, the issuer too. */}}
{{- define "lilitong.ownIssuer" -}}{{- if not .Values.auth.jwksUrl -}}true{{- end -}}{{- end -}}

{{/* The `iss` claim. */}}
{{- define "lilitong.issuer" -}}
{{- default (printf "urn:lilitong:%s:%s" .Release.Namespace (include "lilitong.fullname" .)) .Values.auth.issuer -}}
{{- end -}}

{{/* Host of Postgres that the release knows; empty when external. */}}
{{- define "lilitong.postgresHost" -}}
{{- $name := include "lilitong.fullname" . -}}
{{- if eq .Values.postgres.mode "cnpg" -}}{{ $name }}-postgres-rw{{- else if eq .Values.postgres.mode "quickstart" -}}{{ $name }}-postgres{{- end -}}
{{- end -}}

{{/* URL of the database for a role, without a password. Takes (list $ role). */}}
{{- define "lilitong.databaseUrl" -}}
{{- $root := index . 0 -}}
{{- $tls := ternary "sslmode=verify-full&sslrootcert=/etc/lilitong/postgres-ca/ca.crt" "sslmode=disable" (eq $root.Values.postgres.mode "cnpg") -}}
{{- printf "postgresql://%s@%s:5432/%s?%s" (index . 1) (include "lilitong.postgresHost" $root) $root.Values.postgres.database $tls -}}
{{- end -}}

{{/* URL of NATS. */}}
{{- define "lilitong.natsUrl" -}}
{{- if eq .Values.nats.mode "external" -}}
{{- .Values.nats.external.url -}}
{{- else -}}
{{- printf "%s://%s-nats:4222" (ternary "tls" "nats" (eq (include "lilitong.tls" .) "true")) (include "lilitong.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* Copies of each stream. */}}
{{- define "lilitong.streamReplicas" -}}
{{- if .Values.nats.streamReplicas -}}{{ .Values.nats.streamReplicas }}
{{- else if eq .Values.nats.mode "quickstart" -}}{{ .Values.nats.quickstart.replicas }}
{{- else -}}3{{- end -}}
{{- end -}}

{{/* Seconds a pod gets to end: what it lingers and drains, and what its closers may take beyond (chassis.run). */}}
{{- define "lilitong.grace" -}}
{{- add .Values.preStopSeconds .Values.settings.linger_seconds .Values.settings.drain_seconds 25 -}}
{{- end -}}

{{/* Name of the Secret or of what the chart makes instead. Takes (list $ existing suffix). */}}
{{- define "lilitong.secretName" -}}
{{- if index . 1 -}}{{ index . 1 }}{{- else -}}{{ include "lilitong.fullname" (index . 0) }}-{{ index . 2 }}{{- end -}}
{{- end -}}

{{/* Name of a volume's claim, or of the one that the chart makes. Takes (list $ volume suffix). */}}
{{- define "lilitong.claimName" -}}
{{- include "lilitong.secretName" (list (index . 0) (index . 1).existingClaim (index . 2)) -}}
{{- end -}}

{{/* Secret of a service's database passwords, except with cnpg. Takes (list $ service). */}}
{{- define "lilitong.databaseSecret" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}
{{- include "lilitong.secretName" (list $root (get $root.Values.postgres.existingSecrets $service) (printf "%s-database" $service)) -}}
{{- end -}}

{{/* Secret (username, password) of a role with cnpg, as the operator reads it. Takes (list $ role). */}}
{{- define "lilitong.roleSecret" -}}
{{- $root := index . 0 -}}{{- $role := index . 1 -}}
{{- include "lilitong.secretName" (list $root (get $root.Values.postgres.cnpg.roleSecrets $role) (printf "postgres-%s" ($role | replace "_" "-"))) -}}
{{- end -}}

{{/* Variable with a role's password. Takes (list $ variable service owner); owner is true for the role that migrates. */}}
{{- define "lilitong.databasePassword" -}}
{{- $root := index . 0 -}}{{- $service := index . 2 -}}{{- $owner := index . 3 -}}
{{- $key := ternary "owner-password" "password" $owner -}}
{{- if eq $root.Values.postgres.mode "cnpg" -}}
{{- include "lilitong.fromSecret" (list (index . 1) (include "lilitong.roleSecret" (list $root (ternary (printf "%s_owner" $service) $service $owner))) "password") -}}
{{- else if eq $root.Values.postgres.mode "external" -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef: {name: {{ include "lilitong.databaseSecret" (list $root $service) }}, key: {{ $key }}, optional: true}
{{- else -}}
{{- include "lilitong.fromSecret" (list (index . 1) (include "lilitong.databaseSecret" (list $root $service)) $key) -}}
{{- end -}}
{{- end -}}

{{/* Secret of a NATS user. Takes (list $ user). */}}
{{- define "lilitong.natsSecret" -}}
{{- $root := index . 0 -}}{{- $user := index . 1 -}}
{{- include "lilitong.secretName" (list $root (get $root.Values.nats.existingSecrets $user) (printf "nats-%s" $user)) -}}
{{- end -}}

{{/* Secret of a component's TLS certificate. Takes (list $ component). */}}
{{- define "lilitong.tlsSecret" -}}
{{- $root := index . 0 -}}{{- $component := index . 1 -}}
{{- include "lilitong.secretName" (list $root (ternary (get $root.Values.tls.existingSecrets $component) "" (eq $root.Values.tls.mode "existing")) (printf "%s-tls" $component)) -}}
{{- end -}}

{{/* Secret of a service's workload key. Takes (list $ service). */}}
{{- define "lilitong.workloadSecret" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}
{{- include "lilitong.secretName" (list $root (get $root.Values.workloadIdentity.existingSecrets $service) (printf "%s-workload" $service)) -}}
{{- end -}}

{{/* Secret of the superuser, or of the external server's administrator. */}}
{{- define "lilitong.adminSecret" -}}
{{- if eq .Values.postgres.mode "external" -}}
{{- .Values.postgres.external.prepare.existingSecret -}}
{{- else -}}
{{- include "lilitong.secretName" (list . .Values.postgres.quickstart.existingSecret "postgres") -}}
{{- end -}}
{{- end -}}

{{/* A variable from a Secret. Takes (list variable secret key). */}}
{{- define "lilitong.fromSecret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}
{{- end -}}

{{/* Names inside the cluster of a component's Service, as JSON. Takes (list $ component). */}}
{{- define "lilitong.dnsNames" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s-%s" (include "lilitong.fullname" $root) (index . 1) -}}
{{- $within := printf "%s.%s" $name $root.Release.Namespace -}}
{{- $names := list $name $within (printf "%s.svc" $within) (printf "%s.svc.cluster.local" $within) -}}
{{- if eq (index . 1) "checkpoint" -}}
{{- $names = concat $names $root.Values.tls.checkpointNames -}}
{{- if $root.Values.ingress.checkpoint.enabled -}}{{- $names = append $names $root.Values.ingress.checkpoint.host -}}{{- end -}}
{{- if $root.Values.gatewayApi.enabled -}}{{- $names = concat $names $root.Values.gatewayApi.scannerHostnames -}}{{- end -}}
{{- end -}}
{{- if eq (index . 1) "gateway" -}}{{- $names = concat $names $root.Values.tls.gatewayNames -}}{{- end -}}
{{- if eq (index . 1) "nats" -}}{{- $names = append $names (printf "*.%s-nats-peers" (include "lilitong.fullname" $root)) -}}{{- end -}}
{{- dict "list" ($names | uniq) | toJson -}}
{{- end -}}

{{/* Components of this release that have pods, as JSON. A hook's and a test's pods too. */}}
{{- define "lilitong.components" -}}
{{- $list := (include "lilitong.services" . | fromJson).list -}}
{{- $list = append $list "bus" -}}
{{- if eq .Values.postgres.mode "quickstart" -}}{{- $list = append $list "postgres" -}}{{- end -}}
{{- if or (eq .Values.postgres.mode "quickstart") .Values.postgres.external.prepare.enabled -}}{{- $list = append $list "prepare" -}}{{- end -}}
{{- if eq .Values.nats.mode "quickstart" -}}{{- $list = append $list "nats" -}}{{- end -}}
{{- if .Values.backup.enabled -}}{{- $list = append $list "backup" -}}{{- end -}}
{{- if .Values.backup.keys.enabled -}}{{- $list = append $list "backup-keys" -}}{{- end -}}
{{- if .Values.rehearsal.enabled -}}{{- $list = append $list "rehearsal" -}}{{- end -}}
{{- dict "list" $list | toJson -}}
{{- end -}}

{{/*
One rule of a network policy, or nothing when its outsider is nobody. Takes (list $ components peer direction flow port); direction is
"from" or "to".
*/}}
{{- define "lilitong.flow" -}}
{{- $root := index . 0 -}}{{- $peer := index . 2 -}}{{- $direction := index . 3 -}}{{- $flow := index . 4 -}}{{- $port := index . 5 -}}
{{- if has $peer (index . 1) -}}
# {{ $flow.why }}
- {{ $direction }}:
    - podSelector:
        matchLabels:
          {{- include "lilitong.selector" (list $root $peer) | nindent 10 }}
  ports: [{protocol: TCP, port: {{ $port }}}]
{{- else if and (has $peer (list "postgres" "nats")) (eq (get (get $root.Values $peer) "mode") "cnpg") -}}
# {{ $flow.why }}
- {{ $direction }}:
    - podSelector:
        matchLabels: {cnpg.io/cluster: {{ include "lilitong.fullname" $root }}-postgres}
  ports: [{protocol: TCP, port: 5432}]
{{- else -}}
{{- /* A component that this release does not have is no outsider: without an entry there is no rule. */ -}}
{{- $peers := get $root.Values.networkPolicy.peers $peer -}}
{{- if eq (toString $peers) "any" -}}
# {{ $flow.why }}
- ports: [{protocol: TCP, port: {{ $port }}}]
{{- else if $peers -}}
# {{ $flow.why }}
- {{ $direction }}:
    {{- toYaml $peers | nindent 4 }}
  ports: [{protocol: TCP, port: {{ $port }}}]
{{- end -}}
{{- end -}}
{{- end -}}
