{{/* "true" when Prometheus' exporter runs beside each server. */}}
{{- define "lilitong.natsExporter" -}}
{{- if and (eq .Values.nats.mode "quickstart") .Values.nats.quickstart.exporter.enabled -}}true{{- end -}}
{{- end -}}

{{/*
The exporter: what the server says of itself on its monitoring port, as metrics. Its probes ask for its port alone, for a pod is only as
ready as its last container, and NATS must not be taken away because nobody could count it.
*/}}
{{- define "lilitong.natsExporterContainer" -}}
{{- $e := .Values.nats.quickstart.exporter -}}
- name: exporter
  image: {{ include "lilitong.serverImage" $e }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  args: [-port=7777, -varz, -healthz, -jsz=streams, -use_internal_server_name, "http://127.0.0.1:8222"]
  ports:
    - {name: exporter, containerPort: 7777}
  startupProbe: # it waits for the server's monitoring port, looking every half minute
    tcpSocket: {port: exporter}
    periodSeconds: 5
    failureThreshold: 60
  livenessProbe:
    tcpSocket: {port: exporter}
    periodSeconds: 30
    timeoutSeconds: 5
    failureThreshold: 6
  readinessProbe:
    tcpSocket: {port: exporter}
    periodSeconds: 30
    timeoutSeconds: 5
    failureThreshold: 6
  securityContext:
    {{- include "lilitong.containerSecurity" . | nindent 4 }}
  resources:
    {{- toYaml $e.resources | nindent 4 }}
{{- end -}}

{{/* The NATS server's configuration. It holds no password: those are variables of the container, from Secrets. */}}
{{- define "lilitong.natsConf" -}}
{{- $name := include "lilitong.fullname" . -}}
{{- $q := .Values.nats.quickstart -}}
{{- $users := (.Files.Get "files/nats/permissions.yaml" | fromYaml).users -}}
server_name: $POD_NAME
{{- if ne .Values.listenAddress "0.0.0.0" }}
host: "::"
{{- end }}
port: 4222
http: {{ ternary "8222" (printf "%q" "[::]:8222") (eq .Values.listenAddress "0.0.0.0") }}
pid_file: "/tmp/nats.pid"
{{- if gt (int $q.replicas) 1 }}
# Before a server of a cluster ends, its clients move to the others, spread over this time; less is not allowed.
lame_duck_grace_period: "2s"
lame_duck_duration: "30s"
{{- end }}
max_payload: 4MB
jetstream {
  store_dir: "/data"
  # Postgres is the record; a stream that lost its last second is rebuilt from the outboxes.
  sync_interval: "10s"
  max_memory_store: 16MB
  max_file_store: {{ $q.volume.limit }}
}
{{- if eq (include "lilitong.tls" .) "true" }}
tls {
  cert_file: "/etc/lilitong/tls/tls.crt"
  key_file: "/etc/lilitong/tls/tls.key"
  ca_file: "/etc/lilitong/tls/ca.crt"
}
{{- end }}
{{- if gt (int $q.replicas) 1 }}
cluster {
  name: {{ $name }}
  {{- if ne .Values.listenAddress "0.0.0.0" }}
  host: "::"
  {{- end }}
  port: 6222
  # Who may be a route is a matter of TLS or of network policies; a password in a URL cannot come from a variable.
  {{- if eq (include "lilitong.tls" .) "true" }}
  tls {
    cert_file: "/etc/lilitong/tls/tls.crt"
    key_file: "/etc/lilitong/tls/tls.key"
    ca_file: "/etc/lilitong/tls/ca.crt"
    verify: true
  }
  {{- end }}
  routes: [
    {{- range $i := until (int $q.replicas) }}
    "nats://{{ $name }}-nats-{{ $i }}.{{ $name }}-nats-peers:6222"
    {{- end }}
  ]
}
{{- end }}
system_account: SYSTEM
accounts {
  SYSTEM { users: [{user: system, password: $NATS_PASSWORD_SYSTEM}] }
  LILITONG {
    jetstream: enabled
    users: [
      {{- range $user := list "venue" "checkpoint" "quarantine" "admin" }}
      {user: {{ $user }}, password: $NATS_PASSWORD_{{ upper $user }}, permissions: {{ get $users $user | toRawJson }}}
      {{- end }}
    ]
  }
}
{{ end -}}

{{/*
What the NATS container runs. The server reads its certificate once, and again when it is told to: without that it would go on
showing the one it started with beyond its end. The server takes the shell's place, so the container and with it the loop end when
it does. Needs an image with a shell. (No double dollar here: Kubernetes reads two in a command as one.)
*/}}
{{- define "lilitong.natsCommand" -}}
{{- if eq (include "lilitong.tls" .) "true" -}}
- sh
- -c
- |
  held() { cat /etc/lilitong/tls/tls.crt /etc/lilitong/tls/tls.key /etc/lilitong/tls/ca.crt | sha256sum; }
  {
    read_last=$(held)
    while sleep 5; do
      now=$(held)
      if [ "$now" != "$read_last" ] && nats-server --signal reload=/tmp/nats.pid; then read_last=$now; fi
    done
  } &
  exec nats-server --config /etc/nats/nats.conf
{{- else -}}
- nats-server
- --config
- /etc/nats/nats.conf
{{- end -}}
{{- end -}}

{{/*
What a rolling update of the servers cannot do: one server becomes no cluster, nor the other way round, and servers with TLS do not
speak to those without. New servers are not ready before they see a majority, and the StatefulSet does not replace the old ones
before the new are ready; both would wait for ever. Streams are made anew from the outboxes.
*/}}
{{- define "lilitong.natsInPlace" -}}
{{- $name := printf "%s-nats" (include "lilitong.fullname" .) -}}
{{- $there := (lookup "apps/v1" "StatefulSet" .Release.Namespace $name).spec | default dict -}}
{{- $now := int $there.replicas -}}{{- $asked := int .Values.nats.quickstart.replicas -}}
{{- if and (eq .Values.nats.mode "quickstart") (gt $now 0) (ne $now $asked) (or (eq $now 1) (eq $asked 1)) -}}
{{- fail (printf "nats.quickstart.replicas cannot go from %d to %d in place. The servers start anew and the outboxes fill them, nothing is lost: kubectl -n %s delete statefulset,pvc -l app.kubernetes.io/instance=%s,app.kubernetes.io/component=nats, then upgrade." $now $asked .Release.Namespace .Release.Name) -}}
{{- end -}}
{{- $encrypted := false -}}
{{- range ($there.template | default dict | dig "spec" "volumes" list) -}}{{- if eq .name "tls" -}}{{- $encrypted = true -}}{{- end -}}{{- end -}}
{{- if and (eq .Values.nats.mode "quickstart") (gt $now 1) (ne $encrypted (eq (include "lilitong.tls" .) "true")) -}}
{{- fail (printf "the NATS servers cannot change one by one between TLS and none, because such do not speak to each other. They start at once, with all that they hold: kubectl -n %s delete statefulset %s, then upgrade." .Release.Namespace $name) -}}
{{- end -}}
{{- end -}}
