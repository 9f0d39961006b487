#!/bin/sh
# Draws the secrets of docker-compose.yml into .env (or FILE), which only its owner may read. Never changes one that is
# there: the databases were made with it.
# usage: secrets.sh [FILE]
set -eu
file=${1:-$(dirname "$0")/../../.env}
umask 077
touch "$file"
for name in CHATIFY_CLUSTER_KEY CHATIFY_AUTH_KEY_SECRET MONGO_ROOT_PASSWORD MONGO_PASSWORD MONGO_REPLICA_KEY \
  REDIS_PASSWORD RABBITMQ_PASSWORD GRAFANA_PASSWORD; do
  grep -q "^$name=" "$file" || echo "$name=$(openssl rand -hex 32)" >>"$file"
done
