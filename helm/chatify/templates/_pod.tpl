{{/* What every pod of the chart has in common: it is nobody, may nothing, writes nothing, and reads its secrets from files. */}}

{{- define "chatify.podSecurity" -}}
automountServiceAccountToken: false
# Kubernetes' variables of every Service in the namespace are nothing that chatify reads.
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # Mounted secrets are readable by this group alone.
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "chatify.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities: { drop: [ALL] }
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* (root, key of the backends' Secret, list of "auth" and "smtp" that the pod has beside the cluster key) */}}
{{- define "chatify.volumes" -}}
{{- $root := index . 0 -}}
{{- $has := index . 2 -}}
- name: backends
  secret:
    secretName: {{ include "chatify.backendsSecret" $root }}
    defaultMode: 0440
    items: [{ key: {{ index . 1 }}, path: chatify.toml }]
- name: keys
  secret:
    secretName: {{ include "chatify.keysSecret" $root }}
    defaultMode: 0440
    items:
      - { key: {{ $root.Values.secrets.clusterKey }}, path: cluster-key }
      {{- if has "auth" $has }}
      - { key: {{ $root.Values.secrets.authKeySecretKey }}, path: auth-key-secret }
      {{- with $root.Values.secrets.otpPepperKey }}
      - { key: {{ . }}, path: otp-pepper }
      {{- end }}
      {{- end }}
{{- if has "smtp" $has }}
- name: mail
  secret:
    secretName: {{ include "chatify.smtpSecret" $root }}
    defaultMode: 0440
    items: [{ key: {{ ternary $root.Values.mail.existingSecretKey "smtp" (ne $root.Values.mail.existingSecret "") }}, path: smtp }]
{{- end }}
{{- with $root.Values.backends.ca }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap }}
    items: [{ key: {{ .key }}, path: ca.crt }]
{{- else if .secret }}
- name: ca
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items: [{ key: {{ .key }}, path: ca.crt }]
{{- end }}
{{- end }}
{{- end }}

{{/* (root, list as above) */}}
{{- define "chatify.volumeMounts" -}}
{{- $ca := (index . 0).Values.backends.ca -}}
- { name: backends, mountPath: /etc/chatify/backends, readOnly: true }
- { name: keys, mountPath: /etc/chatify/keys, readOnly: true }
{{- if has "smtp" (index . 1) }}
- { name: mail, mountPath: /etc/chatify/mail, readOnly: true }
{{- end }}
{{- if or $ca.configMap $ca.secret }}
- { name: ca, mountPath: /etc/chatify/ca, readOnly: true }
{{- end }}
{{- end }}

{{/* (root, role) */}}
{{- define "chatify.spread" -}}
{{- $root := index . 0 -}}
{{- $spread := (index $root.Values (index . 1)).spread -}}
{{- range $pair := list (list "topology.kubernetes.io/zone" $spread.zones) (list "kubernetes.io/hostname" $spread.hosts) }}
{{- if ne (index $pair 1) "Off" }}
- topologyKey: {{ index $pair 0 }}
  maxSkew: 1
  whenUnsatisfiable: {{ index $pair 1 }}
  labelSelector:
    matchLabels:
      {{- include "chatify.selector" $ | nindent 6 }}
  # Pods of the former rollout, which are leaving, do not count.
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}
