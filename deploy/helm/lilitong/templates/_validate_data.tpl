{{/*
Values about backups and recovery that contradict each other, told with all others by _validate.tpl.
*/}}

{{/* Where a recovery reads base backups and WAL; empty when it has snapshots alone, or does not recover. */}}
{{- define "lilitong.recoveryPath" -}}
{{- with .Values.postgres.cnpg -}}
{{- if .recovery.enabled -}}{{- default .backup.destinationPath .recovery.destinationPath -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "lilitong.validateData" -}}
{{- $b := .Values.backup -}}
{{- if and $b.enabled (eq .Values.postgres.mode "cnpg") -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup dumps quickstart and external databases; with postgres.mode cnpg set postgres.cnpg.backup instead (backup.keys goes with any mode).") -}}
{{- end -}}
{{- if and $b.enabled (eq .Values.postgres.mode "external") (not $b.existingSecret) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup needs backup.existingSecret with postgres.mode external: a Secret with the url of a role that reads all three schemas.") -}}
{{- end -}}
{{- if and $b.restore (not $b.enabled) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup.restore needs backup.enabled, whose volume it reads.") -}}
{{- end -}}
{{- if and $b.keys.enabled (not (contains "BEGIN PUBLIC KEY" $b.keys.recipient)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup.keys seals to somebody who is not here: set backup.keys.recipient to a P-256 public key in PEM, and keep its private half off line.") -}}
{{- end -}}
{{- if and $b.keys.restoreSecret (not $b.keys.enabled) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup.keys.restoreSecret needs backup.keys.enabled, whose pods have no network and may see keys.") -}}
{{- end -}}
{{- if contains "PRIVATE KEY" $b.keys.recipient -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup.keys.recipient holds a private key: give its public half alone, and make another pair, for this one has been in values.") -}}
{{- end -}}
{{- $dumps := include "lilitong.claimName" (list . $b.volume "backup") -}}
{{- $copies := include "lilitong.claimName" (list . $b.keys.volume "backup-keys") -}}
{{- if eq $dumps $copies -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup.volume and backup.keys.volume are the same claim: whoever finds dumps and keys in one place needs to find nothing else.") -}}
{{- end -}}
{{- if has (include "lilitong.claimName" (list . .Values.services.quarantine.vault.volume "quarantine-vault")) (list $dumps $copies) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "backup.volume or backup.keys.volume is the vault's claim: a backup must not lie where what it is for is lost, nor dumps where day keys are.") -}}
{{- end -}}
{{- $c := .Values.postgres.cnpg -}}
{{- $r := $c.recovery -}}
{{- if and $r.enabled (ne .Values.postgres.mode "cnpg") -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.recovery belongs to postgres.mode cnpg; in the other modes restore by docs/operations/disaster.md.") -}}
{{- else if $r.enabled -}}
{{- $path := include "lilitong.recoveryPath" . -}}
{{- $name := printf "%s-postgres" (include "lilitong.fullname" .) -}}
{{- if not (or $path $r.volumeSnapshots.storage) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.recovery needs something to recover from: set recovery.destinationPath (or backup.destinationPath) of an object store, or recovery.volumeSnapshots.storage.") -}}
{{- end -}}
{{- if and $path (not (or $r.credentialsSecret $c.backup.credentialsSecret)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.recovery reads an object store and needs recovery.credentialsSecret (or backup.credentialsSecret).") -}}
{{- end -}}
{{- $same := eq (trimSuffix "/" $path) (trimSuffix "/" $c.backup.destinationPath) -}}
{{- if and $path $c.backup.enabled $same (eq (default $name $r.serverName) (default $name $c.backup.serverName)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions (printf "postgres.cnpg.recovery reads from the folder that the recovered cluster would archive to, and the operator starts on no archive that is not empty: set postgres.cnpg.backup.serverName to a new name, e.g. %s-2, and keep it." $name)) -}}
{{- end -}}
{{- if and $r.targetTime (not $path) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.recovery.targetTime needs the WAL archive, which a snapshot does not hold: set recovery.destinationPath too.") -}}
{{- end -}}
{{- if and $r.backupId $r.volumeSnapshots.storage -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.recovery has both backupId and volumeSnapshots: one base backup is enough, leave one of them empty.") -}}
{{- end -}}
{{- if and $r.volumeSnapshots.storage (ne (empty $c.walVolume.size) (empty $r.volumeSnapshots.walStorage)) -}}
{{- $_ := set $ "contradictions" (append $.contradictions "postgres.cnpg.recovery.volumeSnapshots.walStorage goes with walVolume: a cluster whose WAL has a volume of its own needs both snapshots, another the one.") -}}
{{- end -}}
{{- end -}}
{{- end -}}
