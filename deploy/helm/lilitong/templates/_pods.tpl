{{/*
What pods are made of. Restricted pod security everywhere: no root, no privileges, nothing writable but what is named.
*/}}

{{/*
Pod security. Takes (list $ uid): 65532 of our images, that of a server's image otherwise. Where the namespace gives uids (OpenShift)
none is asked for: its admission would refuse the pod.
*/}}
{{- define "lilitong.podSecurity" -}}
{{- $root := index . 0 -}}{{- $uid := index . 1 -}}
runAsNonRoot: true
{{- if $root.Values.podSecurity.fixedIds }}
runAsUser: {{ $uid }}
runAsGroup: {{ $uid }}
fsGroup: {{ $uid }}
{{- end }}
# Volumes are not walked again at each start once their root belongs to the group.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Container security. */}}
{{- define "lilitong.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every pod of ours begins with; a hook's runs before accounts are there, and has the default one. Takes (list $ component). */}}
{{- define "lilitong.podHead" -}}
{{- $root := index . 0 -}}
{{- if not (and (eq $root.Values.migrations.mode "hook") (has (index . 1) (list "prepare" "migrate"))) -}}
serviceAccountName: {{ include "lilitong.fullname" $root }}-{{ index . 1 }}
{{ end -}}
{{ include "lilitong.placed" . }}
securityContext:
  {{- include "lilitong.podSecurity" (list $root 65532) | nindent 2 }}
{{- end -}}

{{/* No token, where images come from, and on which nodes: a service's own choice, else that of all. Takes (list $ component). */}}
{{- define "lilitong.placed" -}}
{{- $root := index . 0 -}}
{{- $own := get $root.Values.services (index . 1) | default dict -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $own.nodeSelector | default $root.Values.scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations | default $root.Values.scheduling.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A value as text. Helm reads numbers as floats, and would write large ones as 2e+04. */}}
{{- define "lilitong.plain" -}}
{{- if and (kindIs "float64" .) (eq (float64 (int64 .)) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Variables of settings: each becomes PREFIX_NAME. Takes (list prefix map). */}}
{{- define "lilitong.settings" -}}
{{- $prefix := index . 0 -}}
{{- range $name, $value := index . 1 }}
- {name: {{ printf "%s_%s" $prefix $name | upper }}, value: {{ include "lilitong.plain" $value | quote }}}
{{- end }}
{{- end -}}

{{/* Variables of the owner role, for migrations. Takes (list $ service). */}}
{{- define "lilitong.ownerEnv" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}{{- $prefix := upper $service -}}
{{- $secret := include "lilitong.databaseSecret" . -}}
{{- if eq $root.Values.postgres.mode "external" }}
{{ include "lilitong.fromSecret" (list (printf "%s_OWNER_DATABASE_URL" $prefix) $secret "owner-url") }}
{{- else }}
- name: {{ $prefix }}_OWNER_DATABASE_URL
  value: {{ include "lilitong.databaseUrl" (list $root (printf "%s_owner" $service)) | quote }}
{{- end }}
{{ include "lilitong.databasePassword" (list $root (printf "%s_OWNER_DATABASE_PASSWORD" $prefix) $service true) }}
# For Postgres, and for who prepares the role.
- {name: {{ $prefix }}_WAIT_SECONDS, value: "300"}
- {name: HOME, value: /tmp}
{{- end -}}

{{/* Variables of the bus. Takes (list $ service user). */}}
{{- define "lilitong.natsEnv" -}}
{{- $root := index . 0 -}}{{- $prefix := upper (index . 1) -}}
{{- $secret := include "lilitong.natsSecret" (list $root (index . 2)) -}}
- {name: {{ $prefix }}_NATS_URL, value: {{ include "lilitong.natsUrl" $root | quote }}}
{{ include "lilitong.fromSecret" (list (printf "%s_NATS_USER" $prefix) $secret "user") }}
{{ include "lilitong.fromSecret" (list (printf "%s_NATS_PASSWORD" $prefix) $secret "password") }}
{{- if eq (include "lilitong.natsCa" $root) "true" }}
- {name: {{ $prefix }}_NATS_AUTHORITY, value: /etc/lilitong/nats-ca/ca.crt}
{{- end }}
{{- end -}}

{{/* "true" when NATS has a certificate whose authority we know. */}}
{{- define "lilitong.natsCa" -}}
{{- if or (and (eq .Values.nats.mode "external") .Values.nats.external.caSecret) (and (eq .Values.nats.mode "quickstart") (eq (include "lilitong.tls" .) "true")) -}}true{{- end -}}
{{- end -}}

{{/* Volume with NATS' authority, or nothing. Takes (list $ component). */}}
{{- define "lilitong.natsCaVolume" -}}
{{- $root := index . 0 -}}
{{- if eq (include "lilitong.natsCa" $root) "true" }}
- name: nats-ca
  secret:
    secretName: {{ ternary $root.Values.nats.external.caSecret (include "lilitong.tlsSecret" (list $root "nats")) (eq $root.Values.nats.mode "external") }}
    items: [{key: ca.crt, path: ca.crt}]
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* Volume with Postgres' authority, or nothing. */}}
{{- define "lilitong.postgresCaVolume" -}}
{{- $secret := "" -}}
{{- if eq .Values.postgres.mode "cnpg" -}}{{- $secret = printf "%s-postgres-ca" (include "lilitong.fullname" .) -}}{{- end -}}
{{- if eq .Values.postgres.mode "external" -}}{{- $secret = .Values.postgres.external.caSecret -}}{{- end -}}
{{- if $secret }}
- name: postgres-ca
  secret:
    secretName: {{ $secret }}
    items: [{key: ca.crt, path: ca.crt}]
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* All variables of a service. Takes (list $ service). */}}
{{- define "lilitong.env" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}{{- $values := get $root.Values.services $service -}}
{{- $prefix := upper $service -}}{{- $name := include "lilitong.fullname" $root -}}{{- $at := $root.Values.listenAddress -}}
{{- $store := has $service (include "lilitong.stores" $root | fromJson).list -}}
- {name: HOME, value: /tmp}
{{- if $root.Values.auth.caSecret }}
- {name: SSL_CERT_FILE, value: /etc/lilitong/authorities/ca.crt}
{{- end }}
- {name: {{ $prefix }}_LISTEN, value: {{ printf "%s:%s" $at (ternary "50051" "8080" $store) | quote }}}
- {name: {{ $prefix }}_METRICS_LISTEN, value: "{{ $at }}:9464"}
- {name: {{ $prefix }}_JWKS, value: {{ default "/etc/lilitong/issuer/tls.crt" $root.Values.auth.jwksUrl | quote }}}
- {name: {{ $prefix }}_ISSUER, value: {{ include "lilitong.issuer" $root | quote }}}
- {name: {{ $prefix }}_AUDIENCE, value: {{ $root.Values.auth.audience | quote }}}
{{- if eq (include "lilitong.tls" $root) "true" }}
- {name: {{ $prefix }}_TLS_CERTIFICATE, value: /etc/lilitong/tls/tls.crt}
- {name: {{ $prefix }}_TLS_KEY, value: /etc/lilitong/tls/tls.key}
- {name: {{ $prefix }}_TLS_AUTHORITY, value: /etc/lilitong/tls/ca.crt}
{{- end }}
{{- if $store }}
- {name: {{ $prefix }}_HEALTH_LISTEN, value: "{{ $at }}:50052"}
{{- if has $service (include "lilitong.callers" $root | fromJson).list }}
- {name: {{ $prefix }}_WORKLOAD_KEY, value: /etc/lilitong/workload/tls.key}
{{- else }}
- {name: {{ $prefix }}_WORKLOAD_TRUST, value: /etc/lilitong/trust}
{{- end }}
{{- $secret := include "lilitong.databaseSecret" . }}
{{- if eq $root.Values.postgres.mode "external" }}
{{ include "lilitong.fromSecret" (list (printf "%s_DATABASE_URL" $prefix) $secret "url") }}
{{- else }}
- {name: {{ $prefix }}_DATABASE_URL, value: {{ include "lilitong.databaseUrl" (list $root $service) | quote }}}
{{- end }}
{{ include "lilitong.databasePassword" (list $root (printf "%s_DATABASE_PASSWORD" $prefix) $service false) }}
{{ include "lilitong.natsEnv" (list $root $service $service) }}
{{ include "lilitong.fromSecret" (list (printf "%s_EVENT_TRACE_KEY" $prefix) (include "lilitong.secretName" (list $root $root.Values.eventTraceKey.existingSecret "event-trace-key")) "key") }}
{{- end }}
{{- if has $service (list "venue" "quarantine") }}
- {name: {{ $prefix }}_VAULT, value: /var/lib/lilitong/vault}
{{- if or (eq $service "venue") $values.keys.existingSecret }}
- {name: {{ $prefix }}_VAULT_PROVIDED, value: /etc/lilitong/keys}
{{- end }}
{{- end }}
{{- if has $service (list "venue" "checkpoint" "gateway") }}
- {name: {{ $prefix }}_QUARANTINE_TARGET, value: "dns:///{{ $name }}-quarantine:50051"}
{{- end }}
{{- if eq $service "gateway" }}
- {name: GATEWAY_VENUE_TARGET, value: "dns:///{{ $name }}-venue:50051"}
- {name: GATEWAY_CHECKPOINT_TARGET, value: "dns:///{{ $name }}-checkpoint:50051"}
{{- end }}
{{- if and (eq $service "venue") $values.photos.url }}
- {name: VENUE_PHOTO_STORE, value: {{ $values.photos.url | quote }}}
{{- end }}
{{- include "lilitong.settings" (list $prefix $root.Values.settings) }}
{{- include "lilitong.settings" (list $prefix $values.settings) }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where a service's volumes are mounted. Takes (list $ service). */}}
{{- define "lilitong.mounts" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}{{- $values := get $root.Values.services $service -}}
- {name: tmp, mountPath: /tmp}
{{- if $root.Values.auth.caSecret }}
- {name: authorities, mountPath: /etc/lilitong/authorities, readOnly: true}
{{- end }}
{{- if eq (include "lilitong.ownIssuer" $root) "true" }}
- {name: issuer, mountPath: /etc/lilitong/issuer, readOnly: true}
{{- end }}
{{- if eq (include "lilitong.tls" $root) "true" }}
- {name: tls, mountPath: /etc/lilitong/tls, readOnly: true}
{{- end }}
{{- if has $service (include "lilitong.stores" $root | fromJson).list }}
{{- if has $service (include "lilitong.callers" $root | fromJson).list }}
- {name: workload, mountPath: /etc/lilitong/workload, readOnly: true}
{{- else }}
- {name: trust, mountPath: /etc/lilitong/trust, readOnly: true}
{{- end }}
{{- if include "lilitong.postgresCaVolume" $root }}
- {name: postgres-ca, mountPath: /etc/lilitong/postgres-ca, readOnly: true}
{{- end }}
{{- if eq (include "lilitong.natsCa" $root) "true" }}
- {name: nats-ca, mountPath: /etc/lilitong/nats-ca, readOnly: true}
{{- end }}
{{- end }}
{{- if has $service (list "venue" "quarantine") }}
- {name: vault, mountPath: /var/lib/lilitong/vault}
{{- if or (eq $service "venue") $values.keys.existingSecret }}
- {name: keys, mountPath: /etc/lilitong/keys, readOnly: true}
{{- end }}
{{- end }}
{{- if and (eq $service "venue") (not $values.photos.url) }}
- {name: photos, mountPath: /var/lib/lilitong/venue-photos}
{{- end }}
{{- end -}}

{{/* A service's volumes. Takes (list $ service). */}}
{{- define "lilitong.volumes" -}}
{{- $root := index . 0 -}}{{- $service := index . 1 -}}{{- $values := get $root.Values.services $service -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with $root.Values.auth.caSecret }}
- name: authorities
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
    defaultMode: 0440
{{- end }}
{{- if eq (include "lilitong.ownIssuer" $root) "true" }}
# The certificate alone: the key that signs people's tokens is mounted nowhere but in `helm test`.
- name: issuer
  secret:
    secretName: {{ include "lilitong.secretName" (list $root $root.Values.auth.existingSecret "issuer") }}
    items: [{key: tls.crt, path: tls.crt}]
    defaultMode: 0440
{{- end }}
{{- if eq (include "lilitong.tls" $root) "true" }}
- name: tls
  secret: {secretName: {{ include "lilitong.tlsSecret" . }}, defaultMode: 0440}
{{- end }}
{{- if has $service (include "lilitong.stores" $root | fromJson).list }}
{{- if has $service (include "lilitong.callers" $root | fromJson).list }}
- name: workload
  secret: {secretName: {{ include "lilitong.workloadSecret" . }}, defaultMode: 0440}
{{- else }}
- name: trust
  projected:
    defaultMode: 0440
    sources:
      {{- range (include "lilitong.callers" $root | fromJson).list }}
      - secret:
          name: {{ include "lilitong.workloadSecret" (list $root .) }}
          items: [{key: tls.crt, path: {{ . }}.crt}]
      {{- end }}
{{- end }}
{{- include "lilitong.postgresCaVolume" $root }}
{{- include "lilitong.natsCaVolume" . }}
{{- end }}
{{- if eq $service "venue" }}
- name: vault # holds nothing: all of its keys are provided
  emptyDir: {sizeLimit: 1Mi}
{{- else if eq $service "quarantine" }}
- name: vault
  persistentVolumeClaim:
    claimName: {{ include "lilitong.claimName" (list $root $values.vault.volume "quarantine-vault") }}
{{- end }}
{{- if or (eq $service "venue") (and (eq $service "quarantine") $values.keys.existingSecret) }}
- name: keys
  secret: {secretName: {{ include "lilitong.secretName" (list $root $values.keys.existingSecret "venue-keys") }}, defaultMode: 0440}
{{- end }}
{{- if and (eq $service "venue") (not $values.photos.url) }}
- name: photos
  persistentVolumeClaim:
    claimName: {{ include "lilitong.claimName" (list $root $values.photos.volume "venue-photos") }}
{{- end }}
{{- end -}}

{{/*
Probes. The kubelet's gRPC probe speaks no TLS, so services answer health on a port of its own. Liveness asks for the process
alone: were it to ask for readiness, an outage of Postgres would have every pod killed. Takes (list $ service).
*/}}
{{- define "lilitong.probes" -}}
{{- $root := index . 0 -}}
{{- if eq (index . 1) "gateway" -}}
{{- $scheme := ternary "HTTPS" "HTTP" (eq (include "lilitong.tls" $root) "true") -}}
startupProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ $scheme }}}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ $scheme }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: http, scheme: {{ $scheme }}}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- else -}}
startupProbe: # Postgres may be later than we are; afterwards the liveness probe is the stricter one
  grpc: {port: 50052, service: liveness}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 90
livenessProbe:
  grpc: {port: 50052, service: liveness}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  grpc: {port: 50052, service: ""}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
{{- end -}}
{{- end -}}

{{/* The container that migrates a service's schema. Takes (list $ service). */}}
{{- define "lilitong.migrateContainer" -}}
{{- $root := index . 0 -}}
- name: migrate
  image: {{ include "lilitong.image" . }}
  imagePullPolicy: {{ $root.Values.images.pullPolicy }}
  args: [migrate]
  env:
    {{- include "lilitong.ownerEnv" . | trim | nindent 4 }}
  securityContext:
    {{- include "lilitong.containerSecurity" $root | nindent 4 }}
  resources:
    {{- toYaml $root.Values.steps.resources | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    {{- if include "lilitong.postgresCaVolume" $root }}
    - {name: postgres-ca, mountPath: /etc/lilitong/postgres-ca, readOnly: true}
    {{- end }}
{{- end -}}
