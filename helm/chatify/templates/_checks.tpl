{{/* What a schema cannot see: values that contradict each other. Each message names the value and the way out. */}}

{{- define "chatify.checks" -}}
{{- $v := .Values -}}
{{- if not $v.backends.existingSecret.name -}}
  {{- range $name := list "storeUrl" "busUrl" "mailQueueUrl" -}}
    {{- if not (index $v.backends $name) -}}
      {{- fail (printf "backends.%s is not set. Give it, or a Secret with all URLs as backends.existingSecret.name" $name) -}}
    {{- end -}}
  {{- end -}}
{{- else if or $v.backends.storeUrl $v.backends.busUrl $v.backends.mailQueueUrl -}}
  {{- fail "backends.existingSecret.name and a URL in backends are both set: which one counts? Remove one" -}}
{{- end -}}
{{- if and $v.secrets.existingSecret $v.secrets.generate -}}
  {{- fail "secrets.existingSecret and secrets.generate are both set. Remove one" -}}
{{- else if not (or $v.secrets.existingSecret $v.secrets.generate) -}}
  {{- fail "secrets.existingSecret is not set: name a Secret with the keys `cluster-key` and `auth-key-secret`, or let the chart draw them with secrets.generate=true" -}}
{{- end -}}
{{- if eq $v.secrets.clusterKey $v.secrets.authKeySecretKey -}}
  {{- fail "secrets.clusterKey and secrets.authKeySecretKey are the same key: every node could make tokens" -}}
{{- end -}}
{{- if and $v.backends.ca.configMap $v.backends.ca.secret -}}
  {{- fail "backends.ca.configMap and backends.ca.secret are both set. Remove one" -}}
{{- end -}}
{{- if and $v.backends.ca.smtp (not (or $v.backends.ca.configMap $v.backends.ca.secret)) -}}
  {{- fail "backends.ca.smtp is on, and neither backends.ca.configMap nor backends.ca.secret is set" -}}
{{- end -}}
{{- if $v.mailer.enabled -}}
  {{- if not $v.mail.from -}}
    {{- fail "mail.from is not set: who mails are from, such as `Chat <no-reply@chat.example>`. Or mailer.enabled=false, and nobody can sign in until a mailer runs elsewhere" -}}
  {{- end -}}
  {{- if not (or $v.mail.smtpUrl $v.mail.existingSecret) -}}
    {{- fail "mail.smtpUrl is not set: the SMTP server, or a Secret with it as mail.existingSecret. Or mailer.enabled=false" -}}
  {{- end -}}
{{- end -}}
{{- if and $v.mail.smtpUrl $v.mail.existingSecret -}}
  {{- fail "mail.smtpUrl and mail.existingSecret are both set. Remove one" -}}
{{- end -}}
{{- if and $v.tests.doctor.preflight (or $v.secrets.generate (not $v.backends.existingSecret.name) $v.mail.smtpUrl) -}}
  {{- fail "tests.doctor.preflight runs before the chart's own Secrets are there: use backends.existingSecret, secrets.existingSecret and mail.existingSecret with it" -}}
{{- end -}}
{{- if and $v.monitoring.probe.enabled (not (and $v.monitoring.probe.prober $v.publicUrl)) -}}
  {{- fail "monitoring.probe.enabled is on, and needs monitoring.probe.prober and publicUrl" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
  {{- fail "ingress.enabled is on, and ingress.hosts is empty" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) -}}
  {{- fail "gateway.enabled is on, and gateway.parentRefs is empty: name the Gateway to attach to" -}}
{{- end -}}
{{- range $role := include "chatify.roles" . | fromJsonArray -}}
  {{- include "chatify.checks.role" (list $ $role) -}}
{{- end -}}
{{- end }}

{{/* (root, role) */}}
{{- define "chatify.checks.role" -}}
{{- $role := index . 1 -}}
{{- $v := index (index . 0).Values $role -}}
{{- if gt (include "chatify.seconds" $v.drain.grace | int64) 300 -}}
  {{- fail (printf "%s.drain.grace is %s, and chatify takes 5m at most" $role $v.drain.grace) -}}
{{- end -}}
{{- if gt (include "chatify.seconds" $v.drain.deadline | int64) 600 -}}
  {{- fail (printf "%s.drain.deadline is %s, and chatify takes 10m at most" $role $v.drain.deadline) -}}
{{- end -}}
{{- $scale := $v.autoscaling -}}
{{- if $scale.enabled -}}
  {{- if gt (int $scale.minReplicas) (int $scale.maxReplicas) -}}
    {{- fail (printf "%s.autoscaling.minReplicas is %v, more than maxReplicas, %v" $role $scale.minReplicas $scale.maxReplicas) -}}
  {{- end -}}
  {{- if not (or $scale.cpuPercent $scale.connections) -}}
    {{- fail (printf "%s.autoscaling is enabled by nothing: set cpuPercent or connections" $role) -}}
  {{- end -}}
{{- end -}}
{{- $least := int (ternary $scale.minReplicas $v.replicas $scale.enabled) -}}
{{- if and $v.disruption.enabled (gt $least 1) (ge (int $v.disruption.maxUnavailable) $least) -}}
  {{- fail (printf "%s.disruption.maxUnavailable is %v, and there may be only %d pods: an eviction could take all of them" $role $v.disruption.maxUnavailable $least) -}}
{{- end -}}
{{- if eq $role "node" -}}
  {{/* Sockets have four fifths of the deadline, and drainCloses of them end in each tenth of a second. */}}
  {{- $closes := mul (include "chatify.seconds" $v.drain.deadline | int64) (int64 $v.drainCloses) 8 -}}
  {{- if lt $closes (int64 $v.maxConnections) -}}
    {{- fail (printf "node.drain.deadline (%s) closes %d connections at node.drainCloses=%v, and a pod may have node.maxConnections=%v: the rest would be cut at once and reconnect at once. Make the deadline or drainCloses larger" $v.drain.deadline $closes (int64 $v.drainCloses) (int64 $v.maxConnections)) -}}
  {{- end -}}
  {{- if and $scale.enabled (gt (int64 $scale.connections) (int64 $v.maxConnections)) -}}
    {{- fail (printf "node.autoscaling.connections (%v) is more than node.maxConnections (%v): pods would refuse people before there are more pods" (int64 $scale.connections) (int64 $v.maxConnections)) -}}
  {{- end -}}
{{- end -}}
{{- end }}
