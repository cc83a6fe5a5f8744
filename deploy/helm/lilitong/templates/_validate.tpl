{{/*
Values that contradict each other stop here, all at once, each with one sentence that says what to change. What the values' types
alone can tell is in values.schema.json.
*/}}

{{/* Bytes of a volume's size or of a server's limit on it. Takes the text. */}}
{{- define "lilitong.bytes" -}}
{{- $units := dict "M" 1000000 "Mi" 1048576 "MB" 1048576 "G" 1000000000 "Gi" 1073741824 "GB" 1073741824 "T" 1000000000000 "Ti" 1099511627776 -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[A-Za-z]+$" .)) -}}
{{- end -}}

{{/* "true" when a service has a volume that one node alone can mount. Takes (list $ service). */}}
{{- define "lilitong.alone" -}}
{{- $values := get (index . 0).Values.services (index . 1) -}}
{{- if and (eq (index . 1) "quarantine") (ne $values.vault.volume.accessMode "ReadWriteMany") -}}true
{{- else if and (eq (index . 1) "venue") (not $values.photos.url) (ne $values.photos.volume.accessMode "ReadWriteMany") -}}true
{{- end -}}
{{- end -}}

{{- define "lilitong.validate" -}}
{{- $v := .Values -}}
{{- $_ := set $ "contradictions" list -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" (include "lilitong.fullname" .)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "objects would be called %s-…, and a Service's name begins with a letter and has lower-case letters, digits and hyphens only: call the release otherwise, or set fullnameOverride." (include "lilitong.fullname" .))) -}}
{{- end -}}
{{- range $service := (include "lilitong.services" . | fromJson).list -}}
{{- $s := get $v.services $service -}}
{{- if and (eq (include "lilitong.alone" (list $ $service)) "true") (or $s.autoscaling.enabled (gt (int $s.replicas) 1)) -}}
{{- $what := ternary "services.quarantine.vault.volume.accessMode: ReadWriteMany" "services.venue.photos.url or photos.volume.accessMode: ReadWriteMany" (eq $service "quarantine") -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "%s cannot have several replicas, because its volume is for one node: set %s, or one replica and no autoscaling." $service $what)) -}}
{{- end -}}
{{- if and $s.autoscaling.enabled (gt (int $s.autoscaling.minReplicas) (int $s.autoscaling.maxReplicas)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "services.%s.autoscaling.minReplicas is above maxReplicas." $service)) -}}
{{- end -}}
{{- $limit := dig "limits" "cpu" "" $s.resources | toString -}}
{{- if and $s.autoscaling.enabled $limit -}}
{{- $most := ternary (trimSuffix "m" $limit | float64) (mulf (trimSuffix "m" $limit | float64) 1000) (hasSuffix "m" $limit) -}}
{{- if le $most (mulf $s.autoscaling.cpu 10 | float64) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "services.%s may use %s of CPU at most and would scale at %d percent of a core, which it never reaches: raise resources.limits.cpu or lower autoscaling.cpu." $service $limit (int $s.autoscaling.cpu))) -}}
{{- end -}}
{{- end -}}
{{- if and $s.autoscaling.enabled (ne (int $s.replicas) 1) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "services.%s has both replicas: %d and autoscaling, which would undo each other at every upgrade: leave replicas at 1 and set autoscaling.minReplicas." $service (int $s.replicas))) -}}
{{- end -}}
{{- end -}}

{{- if and (eq $v.profile "production") (eq $v.tls.mode "off") -}}
{{- $_ := set $ "contradictions" (append $.contradictions "tls.mode off is for profile quickstart only: set tls.mode to certManager or existing.") -}}
{{- end -}}
{{- if and (eq $v.profile "production") (eq $v.postgres.mode "quickstart") -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.mode quickstart is one pod without a replica or backup: set postgres.mode to cnpg or external, or profile to quickstart.") -}}
{{- end -}}
{{- if and (eq $v.profile "production") (or (not $v.auth.jwksUrl) (not $v.auth.issuer)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "profile production takes people's tokens from your own issuer: set auth.issuer and auth.jwksUrl.") -}}
{{- end -}}
{{- if and $v.auth.jwksUrl (not $v.auth.issuer) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "auth.jwksUrl is set without auth.issuer: set the `iss` claim that its tokens carry.") -}}
{{- end -}}
{{- if eq $v.profile "production" -}}
{{- if not $v.services.venue.keys.existingSecret -}}
{{- $_ := set $ "contradictions" (append $.contradictions "profile production takes the venue service's keys from your secret store: set services.venue.keys.existingSecret.") -}}
{{- end -}}
{{- if not $v.services.quarantine.keys.existingSecret -}}
{{- $_ := set $ "contradictions" (append $.contradictions "profile production takes quarantine's keys from your secret store: set services.quarantine.keys.existingSecret.") -}}
{{- end -}}
{{- if not $v.eventTraceKey.existingSecret -}}
{{- $_ := set $ "contradictions" (append $.contradictions "profile production takes the event trace key from your secret store: set eventTraceKey.existingSecret.") -}}
{{- end -}}
{{- if contains "://localhost" $v.services.venue.settings.verification_url -}}
{{- $_ := set $ "contradictions" (append $.contradictions "services.venue.settings.verification_url goes into the QR code of every printed paper, and names localhost: set the address at which phones reach the gateway.") -}}
{{- end -}}
{{- if and $v.observability.prometheusRule.enabled (contains "://example.org/" $v.observability.runbookBase) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "alerts would lead to example.org: set observability.runbookBase to where docs/runbooks is served.") -}}
{{- end -}}
{{- if and $v.rehearsal.enabled $v.rehearsal.startPolicy -}}
{{- $_ := set $ "contradictions" (append $.contradictions "rehearsal.startPolicy would start a real policy in production: set it to false.") -}}
{{- end -}}
{{- end -}}
{{- if and $v.rehearsal.enabled $v.auth.jwksUrl (not $v.rehearsal.tokensSecret) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "helm test cannot make tokens of your issuer: set rehearsal.tokensSecret, or rehearsal.enabled to false.") -}}
{{- end -}}

{{- if and $v.backup.keys.enabled (eq $v.services.quarantine.vault.volume.accessMode "ReadWriteOncePod") -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup.keys reads the vault's volume in a pod of its own, which ReadWriteOncePod does not allow: set services.quarantine.vault.volume.accessMode to ReadWriteOnce or ReadWriteMany.") -}}
{{- end -}}

{{- if eq $v.postgres.mode "external" -}}
{{- range $service := (include "lilitong.stores" . | fromJson).list -}}
{{- if not (get $v.postgres.existingSecrets $service) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "postgres.mode external needs postgres.existingSecrets.%s, a Secret with url, password, owner-url and owner-password." $service)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.postgres.external.prepare.enabled (not $v.postgres.external.prepare.existingSecret) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.external.prepare needs existingSecret, a Secret with the administrator's url.") -}}
{{- end -}}
{{- else if $v.postgres.external.prepare.enabled -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.external.prepare belongs to postgres.mode external; the other modes prepare by themselves.") -}}
{{- end -}}
{{- if and (eq $v.migrations.mode "hook") (ne $v.postgres.mode "external") -}}
{{- $_ := set $ "contradictions" (append $.contradictions "migrations.mode hook is for postgres.mode external only: a hook runs before the database of this release is there, and would wait for ever.") -}}
{{- end -}}
{{- if eq $v.postgres.mode "cnpg" -}}
{{- if ge (int $v.postgres.cnpg.synchronousReplicas) (int $v.postgres.cnpg.instances) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.synchronousReplicas must be below instances: a primary cannot wait for more replicas than there are.") -}}
{{- end -}}
{{- if and $v.postgres.cnpg.backup.enabled (or (not $v.postgres.cnpg.backup.destinationPath) (not $v.postgres.cnpg.backup.credentialsSecret)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.backup needs destinationPath and credentialsSecret.") -}}
{{- end -}}
{{- end -}}

{{- if eq $v.nats.mode "external" -}}
{{- if not $v.nats.external.url -}}
{{- $_ := set $ "contradictions" (append $.contradictions "nats.mode external needs nats.external.url.") -}}
{{- end -}}
{{- range $user := list "venue" "checkpoint" "quarantine" "admin" -}}
{{- if not (get $v.nats.existingSecrets $user) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "nats.mode external needs nats.existingSecrets.%s, a Secret with user and password." $user)) -}}
{{- end -}}
{{- end -}}
{{- else if gt (int (include "lilitong.streamReplicas" .)) (int $v.nats.quickstart.replicas) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "nats.streamReplicas is above nats.quickstart.replicas: each copy of a stream needs a server.") -}}
{{- end -}}

{{- include "lilitong.natsInPlace" . -}}
{{- if and (eq $v.nats.mode "quickstart") (gt (include "lilitong.bytes" $v.nats.quickstart.volume.limit | int64) (include "lilitong.bytes" $v.nats.quickstart.volume.size | int64)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "nats.quickstart.volume.limit, %s, is more than its size, %s: JetStream would fill the volume and stop." $v.nats.quickstart.volume.limit $v.nats.quickstart.volume.size)) -}}
{{- end -}}
{{- if and (eq $v.nats.mode "quickstart") (gt (int $v.nats.quickstart.replicas) 1) (eq $v.tls.mode "off") (not $v.networkPolicy.enabled) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "a NATS cluster without TLS and without network policies lets any pod in as a server: turn one of them on.") -}}
{{- end -}}

{{- if eq $v.tls.mode "certManager" -}}
{{- if not $v.tls.certManager.issuerRef.name -}}
{{- $_ := set $ "contradictions" (append $.contradictions "tls.mode certManager needs tls.certManager.issuerRef.name.") -}}
{{- end -}}
{{- else -}}
{{- if eq $v.tls.mode "existing" -}}
{{- range $component := list "venue" "checkpoint" "quarantine" "gateway" -}}
{{- if not (get $v.tls.existingSecrets $component) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "tls.mode existing needs tls.existingSecrets.%s, a Secret with tls.crt, tls.key and ca.crt." $component)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.nats.mode "quickstart") (not $v.tls.existingSecrets.nats) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "tls.mode existing needs tls.existingSecrets.nats too, unless NATS is external.") -}}
{{- end -}}
{{- if and $v.rehearsal.enabled (not $v.tls.existingSecrets.rehearsal) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "tls.mode existing needs tls.existingSecrets.rehearsal for helm test, or rehearsal.enabled: false.") -}}
{{- end -}}
{{- end -}}
{{- if eq $v.profile "production" -}}
{{- range $service := (include "lilitong.callers" . | fromJson).list -}}
{{- if not (get $v.workloadIdentity.existingSecrets $service) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "without cert-manager profile production needs workloadIdentity.existingSecrets.%s, a Secret with tls.crt and tls.key." $service)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range $name := list "gateway" "checkpoint" -}}
{{- $i := get $v.ingress $name -}}
{{- if and $i.enabled (not $i.host) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "ingress.%s needs a host." $name)) -}}
{{- end -}}
{{- end -}}
{{- if $v.gatewayApi.enabled -}}
{{- if and (not $v.gatewayApi.gateway.create) (not $v.gatewayApi.parentRefs) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "gatewayApi needs parentRefs of an existing Gateway, or gateway.create: true.") -}}
{{- end -}}
{{- if and (eq (include "lilitong.scannersPassThrough" .) "true") (not $v.gatewayApi.scannerHostnames) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "gatewayApi needs scannerHostnames when TLS is on: the Gateway passes scanners on to checkpoint by the name they ask for, which is all it can read.") -}}
{{- end -}}
{{- if and $v.gatewayApi.gateway.create (or (not $v.gatewayApi.gateway.className) (not $v.gatewayApi.gateway.tlsSecret)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "gatewayApi.gateway.create needs className and tlsSecret.") -}}
{{- end -}}
{{- end -}}

{{- if $v.networkPolicy.enabled -}}
{{- if and $v.auth.jwksUrl (not $v.networkPolicy.peers.issuer) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "network policies would cut the services off from auth.jwksUrl: set networkPolicy.peers.issuer, e.g. [{ipBlock: {cidr: 203.0.113.7/32}}], or any.") -}}
{{- end -}}
{{- if and (ne $v.settings.trace_exporter "none") (not $v.networkPolicy.peers.otlp) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "network policies would cut the services off from the trace collector: set networkPolicy.peers.otlp.") -}}
{{- end -}}
{{- if and $v.services.venue.photos.url (not $v.networkPolicy.peers.objectStore) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "network policies would cut venue off from its object store: set networkPolicy.peers.objectStore.") -}}
{{- end -}}
{{- if and (eq $v.postgres.mode "external") (not $v.networkPolicy.peers.postgres) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "network policies would cut the services off from the external Postgres: set networkPolicy.peers.postgres.") -}}
{{- end -}}
{{- if and (eq $v.nats.mode "external") (not $v.networkPolicy.peers.nats) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "network policies would cut the services off from the external NATS: set networkPolicy.peers.nats.") -}}
{{- end -}}
{{- end -}}
{{- include "lilitong.validateData" . -}}
{{- with $.contradictions -}}
{{- if eq (len .) 1 -}}{{- fail (first .) -}}{{- end -}}
{{- fail (printf "%d things contradict each other:\n- %s" (len .) (join "\n- " .)) -}}
{{- end -}}
{{- end -}}
