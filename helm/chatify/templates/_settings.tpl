{{/* What the program is told. Plain settings are variables, which `kubectl describe` shows; what is secret or may hold a
password is a mounted file, of which a variable names the path. */}}

{{/* Settings that the chart makes itself: setting them twice would leave open which one counts. */}}
{{- define "chatify.ownSettings" -}}
listen admin-listen data store bus mail-queue cluster-key cluster-key-file advertise auth-url drain-grace drain-deadline https origins trusted-proxies node.connections node.drain-closes auth.key-secret auth.key-secret-file auth.otp-pepper auth.otp-pepper-file mail.smtp mail.smtp-file mail.from mail.ca-file
{{- end }}

{{/* (root, role): the role's own settings over those of all. */}}
{{- define "chatify.settings" -}}
{{- $root := index . 0 -}}
{{- $all := dict "log-format" "json" -}}
{{- $own := splitList " " (include "chatify.ownSettings" .) -}}
{{- range $from, $values := dict "settings" $root.Values.settings (printf "%s.settings" (index . 1)) (index $root.Values (index . 1)).settings -}}
  {{- range $key, $value := $values -}}
    {{- if has $key $own -}}
      {{- fail (printf "%s: `%s` is set by the chart. Use the chart's own value for it; secrets come from Secrets" $from $key) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $all = mergeOverwrite $all (deepCopy $root.Values.settings) (deepCopy (index $root.Values (index . 1)).settings) -}}
{{- range $key, $value := $all }}
- name: CHATIFY_{{ $key | upper | replace "." "_" | replace "-" "_" }}
  value: {{ if kindIs "float64" $value }}{{ int64 $value | quote }}{{ else }}{{ toString $value | quote }}{{ end }}
{{- end }}
{{- end }}

{{- define "chatify.anyAddress" -}}
{{ ternary "[::]" "0.0.0.0" (eq .Values.ipFamily "IPv6") }}
{{- end }}

{{/* What nodes, auth and the doctor tell of the public side. */}}
{{- define "chatify.env.public" -}}
- name: CHATIFY_LISTEN
  value: {{ printf "%s:8080" (include "chatify.anyAddress" .) | quote }}
- name: CHATIFY_HTTPS
  value: {{ ternary "on" "off" .Values.https | quote }}
{{- with .Values.origins }}
- name: CHATIFY_ORIGINS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.trustedProxies }}
- name: CHATIFY_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{- define "chatify.env.backends" -}}
- name: CHATIFY_CONFIG
  value: /etc/chatify/backends/chatify.toml
- name: CHATIFY_CLUSTER_KEY_FILE
  value: /etc/chatify/keys/cluster-key
{{- end }}

{{- define "chatify.env.auth" -}}
- name: CHATIFY_AUTH_KEY_SECRET_FILE
  value: /etc/chatify/keys/auth-key-secret
{{- if .Values.secrets.otpPepperKey }}
- name: CHATIFY_AUTH_OTP_PEPPER_FILE
  value: /etc/chatify/keys/otp-pepper
{{- end }}
{{- end }}

{{- define "chatify.env.smtp" -}}
- name: CHATIFY_MAIL_SMTP_FILE
  value: /etc/chatify/mail/smtp
- name: CHATIFY_MAIL_FROM
  value: {{ .Values.mail.from | quote }}
{{- if .Values.backends.ca.smtp }}
- name: CHATIFY_MAIL_CA_FILE
  value: /etc/chatify/ca/ca.crt
{{- end }}
{{- end }}

{{/* All variables of a Deployment's container. (root, role) */}}
{{- define "chatify.env" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $v := index $root.Values $role -}}
- name: CHATIFY_ADMIN_LISTEN
  value: {{ printf "%s:9090" (include "chatify.anyAddress" $root) | quote }}
- name: CHATIFY_DRAIN_GRACE
  value: {{ $v.drain.grace | quote }}
- name: CHATIFY_DRAIN_DEADLINE
  value: {{ $v.drain.deadline | quote }}
{{ include "chatify.env.backends" $root }}
{{- if ne $role "mailer" }}
{{ include "chatify.env.public" $root }}
{{- end }}
{{- if eq $role "node" }}
# Other nodes pass strays on to this very pod. POD_IP must stand in front of what uses it.
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
- name: CHATIFY_ADVERTISE
  value: {{ ternary "http://[$(POD_IP)]:8080" "http://$(POD_IP):8080" (eq $root.Values.ipFamily "IPv6") }}
- name: CHATIFY_AUTH_URL
  value: http://{{ include "chatify.fullname" $root }}-auth:8080
- name: CHATIFY_NODE_CONNECTIONS
  value: {{ int64 $v.maxConnections | quote }}
- name: CHATIFY_NODE_DRAIN_CLOSES
  value: {{ int64 $v.drainCloses | quote }}
{{- else if eq $role "auth" }}
{{ include "chatify.env.auth" $root }}
{{- else }}
{{ include "chatify.env.smtp" $root }}
{{- end }}
{{- include "chatify.settings" . }}
{{- end }}
