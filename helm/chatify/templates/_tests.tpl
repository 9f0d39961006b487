{{/* What the pods of tests have in common with each other and with nothing else. */}}

{{- define "chatify.env.doctor" -}}
- name: CHATIFY_ADMIN_LISTEN
  value: {{ printf "%s:9090" (include "chatify.anyAddress" .) | quote }}
{{ include "chatify.env.public" . }}
{{ include "chatify.env.backends" . }}
{{ include "chatify.env.auth" . }}
{{- if .Values.mailer.enabled }}
{{ include "chatify.env.smtp" . }}
{{- end }}
{{- include "chatify.settings" (list . "auth") }}
{{- end }}

{{/* What the doctor has beside the cluster key, as a JSON list. */}}
{{- define "chatify.doctorHas" -}}
{{ ternary (list "auth" "smtp") (list "auth") .Values.mailer.enabled | toJson }}
{{- end }}

{{/* (root, list of arguments): what a test's container has before its variables. */}}
{{- define "chatify.testContainer" -}}
{{- $root := index . 0 -}}
name: chatify
image: {{ include "chatify.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: {{ index . 1 | toJson }}
{{ include "chatify.containerSecurity" $root }}
resources:
  {{- toYaml $root.Values.tests.resources | nindent 2 }}
{{- end }}
