{{/* How long a pod may take to stop, from the same two values that the program is told: they cannot drift apart. */}}

{{/* Seconds of a duration as chatify writes them; part of one counts whole. */}}
{{- define "chatify.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}{{ div (add $number 999) 1000 }}
{{- else -}}{{ mul $number (get (dict "s" 1 "m" 60 "h" 3600 "d" 86400) $unit) }}
{{- end -}}
{{- end }}

{{/* Store, bus and queue are closed after the drain, each within 5 s. */}}
{{- define "chatify.closingSeconds" -}}15{{- end }}

{{/* (root, role) */}}
{{- define "chatify.stopSeconds" -}}
{{- $drain := (index (index . 0).Values (index . 1)).drain -}}
{{- $grace := include "chatify.seconds" $drain.grace | int64 -}}
{{- $deadline := include "chatify.seconds" $drain.deadline | int64 -}}
{{ add (int64 $drain.preStopSeconds) $grace $deadline (include "chatify.closingSeconds" .) }}
{{- end }}

{{- define "chatify.terminationGracePeriodSeconds" -}}
{{- $drain := (index (index . 0).Values (index . 1)).drain -}}
{{- $least := include "chatify.stopSeconds" . | int64 -}}
{{- $asked := int64 $drain.terminationGracePeriodSeconds -}}
{{- if and (gt $asked 0) (lt $asked $least) -}}
{{- fail (printf "%s.drain.terminationGracePeriodSeconds is %d, and stopping takes up to %d s (preStopSeconds + grace + deadline + %s): the kubelet would kill what is under way. Leave it 0 to have the sum" (index . 1) $asked $least (include "chatify.closingSeconds" .)) -}}
{{- end -}}
{{ max $asked $least }}
{{- end }}
