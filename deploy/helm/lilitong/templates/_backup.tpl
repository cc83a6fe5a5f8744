{{/* What backups and restores are made of: two containers that share a folder, ours that counts and Postgres' own that dumps. */}}

{{/* Image with pg_dump: that of values, else the quickstart's server. */}}
{{- define "lilitong.clientImage" -}}
{{- include "lilitong.serverImage" (ternary .Values.backup.client .Values.postgres.quickstart (ne .Values.backup.client.image "")) -}}
{{- end -}}

{{/* Secret of the role that reads all schemas. */}}
{{- define "lilitong.backupSecret" -}}
{{- if eq .Values.postgres.mode "external" -}}{{ .Values.backup.existingSecret }}{{- else -}}{{ include "lilitong.adminSecret" . }}{{- end -}}
{{- end -}}

{{/* Variables of a backup's or restore's container. Takes (list $ passwordVariable). */}}
{{- define "lilitong.backupEnv" -}}
{{- $root := index . 0 -}}
- {name: HOME, value: /tmp}
- {name: BACKUP_FOLDER, value: /var/lib/lilitong/backups}
- {name: BACKUP_HANDSHAKE, value: /tmp/handshake}
{{- if eq $root.Values.postgres.mode "external" }}
{{ include "lilitong.fromSecret" (list "BACKUP_DATABASE_URL" (include "lilitong.backupSecret" $root) "url") }}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef: {name: {{ include "lilitong.backupSecret" $root }}, key: password, optional: true}
{{- else }}
- name: BACKUP_DATABASE_URL
  value: postgresql://postgres@{{ include "lilitong.postgresHost" $root }}:5432/{{ $root.Values.postgres.database }}?sslmode=disable
{{ include "lilitong.fromSecret" (list (index . 1) (include "lilitong.backupSecret" $root) "password") }}
{{- end }}
{{- end -}}

{{/* Ours. Takes (list $ name arguments readOnly). */}}
{{- define "lilitong.backupContainer" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
  image: {{ include "lilitong.image" (list $root "quarantine") }}
  imagePullPolicy: {{ $root.Values.images.pullPolicy }}
  command: [python, -m, quarantine.backup]
  args: {{ index . 2 | toJson }}
  env:
    {{- include "lilitong.backupEnv" (list $root "BACKUP_DATABASE_PASSWORD") | nindent 4 }}
    - {name: BACKUP_KEEP_DAYS, value: {{ $root.Values.backup.keepDays | quote }}}
    - {name: BACKUP_SECONDS, value: {{ int64 $root.Values.backup.deadlineSeconds | quote }}}
  {{- include "lilitong.backupRest" (list $root (index . 3)) | nindent 2 }}
{{- end -}}

{{/* Postgres' own. Takes (list $ name script readOnly). */}}
{{- define "lilitong.clientContainer" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
  image: {{ include "lilitong.clientImage" $root }}
  imagePullPolicy: {{ $root.Values.images.pullPolicy }}
  command: [sh, -c]
  args:
    - |
      {{- index . 2 | nindent 6 }}
  env:
    {{- include "lilitong.backupEnv" (list $root "PGPASSWORD") | nindent 4 }}
  {{- include "lilitong.backupRest" (list $root (index . 3)) | nindent 2 }}
{{- end -}}

{{/* Takes (list $ readOnly). */}}
{{- define "lilitong.backupRest" -}}
{{- $root := index . 0 -}}
securityContext:
  {{- include "lilitong.containerSecurity" $root | nindent 2 }}
resources:
  {{- toYaml $root.Values.backup.resources | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: backups, mountPath: /var/lib/lilitong/backups{{ if index . 1 }}, readOnly: true{{ end }}}
  {{- if include "lilitong.postgresCaVolume" $root }}
  - {name: postgres-ca, mountPath: /etc/lilitong/postgres-ca, readOnly: true}
  {{- end }}
{{- end -}}

{{/* Volumes of a backup's or restore's pod. */}}
{{- define "lilitong.backupVolumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
- name: backups
  persistentVolumeClaim:
    claimName: {{ include "lilitong.claimName" (list . .Values.backup.volume "backup") }}
{{- include "lilitong.postgresCaVolume" . }}
{{- end -}}

{{/* Names of the schemas as pg_dump and pg_restore are given them. */}}
{{- define "lilitong.schemaOptions" -}}
{{- range (include "lilitong.stores" . | fromJson).list }}--schema={{ . }} {{ end -}}
{{- end -}}

{{/* Dumps the snapshot that the other container holds; looks at what it wrote; says how it went. */}}
{{- define "lilitong.dumpScript" -}}
set -eu
mkdir -p "$BACKUP_HANDSHAKE"
trap '[ "$?" = 0 ] || touch "$BACKUP_HANDSHAKE/failed"' EXIT
waited=0
until [ -s "$BACKUP_HANDSHAKE/snapshot" ]; do
  [ ! -e "$BACKUP_HANDSHAKE/over" ] || { echo "the other container gave up" >&2; exit 1; }
  waited=$((waited + 1))
  [ "$waited" -lt 600 ] || { echo "no snapshot within ten minutes" >&2; exit 1; }
  sleep 1
done
dump="$(cat "$BACKUP_HANDSHAKE/folder")/lilitong.dump"
umask 077
pg_dump --dbname "$BACKUP_DATABASE_URL" --format=custom --snapshot="$(cat "$BACKUP_HANDSHAKE/snapshot")" \
  {{ include "lilitong.schemaOptions" . }}--file="$dump"
pg_restore --list "$dump" > /dev/null
touch "$BACKUP_HANDSHAKE/dumped"
{{- end -}}

{{/* Fills the schemas, whole or not at all. */}}
{{- define "lilitong.fillScript" -}}
set -eu
pg_restore --dbname "$BACKUP_DATABASE_URL" --exit-on-error --single-transaction \
  {{ include "lilitong.schemaOptions" . }}"$(cat "$BACKUP_HANDSHAKE/folder")/lilitong.dump"
{{- end -}}
