{{- define "clew.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "clew.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "clew.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "clew.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "clew.agent.fullname" -}}
{{- printf "%s-agent" (include "clew.fullname" .) -}}
{{- end -}}

{{- define "clew.selector" -}}
app.kubernetes.io/name: {{ include "clew.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "clew.agent.selector" -}}
app.kubernetes.io/name: {{ include "clew.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{- define "clew.cluster.selector" -}}
app.kubernetes.io/name: {{ include "clew.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: cluster-agent
{{- end -}}

{{- define "clew.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: clew
{{- end -}}

{{/* The server's address inside the cluster. */}}
{{- define "clew.host" -}}
{{- printf "%s.%s.svc" (include "clew.fullname" .) .Release.Namespace -}}
{{- end -}}

{{/* Where telemetry is taken. */}}
{{- define "clew.intake.host" -}}
{{- printf "%s%s.%s.svc" (include "clew.fullname" .) (ternary "-collector" "" .Values.roles.enabled) .Release.Namespace -}}
{{- end -}}

{{/* What the chart itself decides of the server's configuration. */}}
{{- define "clew.config" -}}
{{- if and .Values.roles.enabled (not .Values.roles.elasticsearch) }}
{{- fail "roles need roles.elasticsearch: addresses of the cluster that keeps logs and spans" }}
{{- end }}
server:
  http_listen: 0.0.0.0:2539
  otlp_grpc_listen: 0.0.0.0:4317
  otlp_http_listen: 0.0.0.0:4318
auth:
  type: {{ .Values.auth.type }}
{{- if eq .Values.auth.type "token" }}
  tokens:
    - name: cluster
      file: /etc/clew/auth/token
{{- end }}
{{- if .Values.roles.enabled }}
cluster:
  listen: 0.0.0.0:7946
  advertise: ${POD_IP}:7946
  url: http://${POD_IP}:2539
  secret_key: ${CLEW_GOSSIP_KEY}
  join: ["{{ include "clew.fullname" . }}-headless:7946"]
{{- end }}
storage:
  local:
    dir: /var/lib/clew
{{- if .Values.roles.enabled }}
  backend: elasticsearch
  elasticsearch:
    addresses: {{ toJson .Values.roles.elasticsearch }}
  metrics:
    backend: remote
    remote:
      query_url: {{ required "roles need roles.metrics: the address of a store that speaks Prometheus's protocols" .Values.roles.metrics }}
{{- else }}
  backend: local
{{- end }}
alert:
  rules_dir: /etc/clew/rules
  alertmanagers: {{ toJson .Values.server.alertmanagers }}
{{- end -}}

{{- define "clew.secret" -}}
{{- required "auth.type token needs auth.existingSecret: the name of a secret with key token" .Values.auth.existingSecret -}}
{{- end -}}
