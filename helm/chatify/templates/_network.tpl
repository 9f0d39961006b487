{{/* Rules of NetworkPolicies. A peer is always a pod selector of this release, or what values name. */}}

{{/* (root, list of roles): peers that are pods of this release. */}}
{{- define "chatify.ours" -}}
{{- $root := index . 0 -}}
- podSelector:
    matchLabels:
      {{- include "chatify.releaseLabels" $root | nindent 6 }}
    matchExpressions:
      - { key: app.kubernetes.io/component, operator: In, values: {{ index . 1 | toJson }} }
{{- end }}

{{/* A way out to what values name: {to, ports}. */}}
{{- define "chatify.egress" -}}
- ports:
    {{- range .ports }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "chatify.egress.dns" -}}
- ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - { protocol: UDP, port: {{ . }} }
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
  to:
    {{- toYaml .Values.networkPolicy.dns.to | nindent 4 }}
{{- end }}

{{/* (root, list of roles) */}}
{{- define "chatify.egress.ours" -}}
- ports: [{ protocol: TCP, port: 8080 }]
  to:
    {{- include "chatify.ours" . | nindent 4 }}
{{- end }}
