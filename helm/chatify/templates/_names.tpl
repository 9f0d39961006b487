{{/* Names, labels and the image: what everything else is made with. Roles are `node`, `auth`, `mailer`; tests have roles too. */}}

{{- define "chatify.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{/* Room for the longest suffix, and for what Deployments put behind it. */}}
{{- $full | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Never changes over the life of a release: selectors of Deployments cannot be changed. */}}
{{- define "chatify.releaseLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* (root, role) */}}
{{- define "chatify.selector" -}}
{{ include "chatify.releaseLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Of everything that is made. (root, role), the role may be empty. */}}
{{- define "chatify.labels" -}}
{{- $root := index . 0 -}}
{{ include "chatify.releaseLabels" $root }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: chatify
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "chatify.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "chatify.serviceAccountName" -}}
{{- $own := ternary (include "chatify.fullname" .) "default" .Values.serviceAccount.create -}}
{{ default $own .Values.serviceAccount.name }}
{{- end }}

{{/* The roles that run, as a JSON list. */}}
{{- define "chatify.roles" -}}
{{ ternary (list "node" "auth" "mailer") (list "node" "auth") .Values.mailer.enabled | toJson }}
{{- end }}

{{/* The Secret with the URLs of the backends, that with keys, and that with the SMTP server's URL. */}}
{{- define "chatify.backendsSecret" -}}
{{ default (printf "%s-backends" (include "chatify.fullname" .)) .Values.backends.existingSecret.name }}
{{- end }}
{{- define "chatify.keysSecret" -}}
{{ default (printf "%s-keys" (include "chatify.fullname" .)) .Values.secrets.existingSecret }}
{{- end }}
{{- define "chatify.smtpSecret" -}}
{{ default (printf "%s-smtp" (include "chatify.fullname" .)) .Values.mail.existingSecret }}
{{- end }}
