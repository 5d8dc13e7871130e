#!/bin/bash
# Redmine 5 (Debian) with its REST API on SQLite under DIRECTORY, as an instance of its own of Debian's package.
# usage: redmine-start.sh DIRECTORY
# Seeded: private project atencion with the custom field InboxReference; private project reservada, in which the service
# account has no role and the field is not used, with the field Suelto; service account inbox with role Puente; agent
# agente with role Agente; reporter vecina, who sees the project and is no member of it. Text formatting is Textile.
set -euo pipefail
. "$(dirname "$0")/common.sh"
D=$(realpath -m "${1:?usage: redmine-start.sh DIRECTORY}")
. "$(dirname "$0")/redmine-instance.sh"

packages() {
  dpkg-query -Wf '${Status}\n' redmine redmine-sqlite puma 2>/dev/null | grep -c 'ok installed' || true
}
if [ "$(packages)" != 3 ]; then
  # With bundler 2.3.27 (a security update of Debian 12) the postinst fails: it takes a Debian gem without a directory
  # of its own for deleted ("Could not find rotp-6.2.0.gem", seen 2026-11-23). Make the directories, configure again.
  (install redmine redmine-sqlite puma dbconfig-no-thanks) || {
    ruby -e 'require "fileutils"
             Gem::Specification.each { |one| FileUtils.mkdir_p(one.full_gem_path) unless one.default_gem? }'
    dpkg --configure -a >&2; }
  [ "$(packages)" = 3 ] || die "Redmine's packages are not installed"
fi
lives && exec cat "$D/env"

export REDMINE_INSTANCE=$INSTANCE RAILS_ENV=production REDMINE_LANG=en SCHEMA=/dev/null
mkdir -p "$D/files"
[ -s "$D/ports" ] || free_ports 1 >"$D/ports"
read -r PORT <"$D/ports"
cd /usr/share/redmine

seed() {
  [ -d "/etc/redmine/$INSTANCE" ] || bin/redmine-instances create "$INSTANCE"
  rm -f "$D/redmine.sqlite"
  printf 'production:\n  adapter: sqlite3\n  database: %s\n  timeout: 10000\n' "$D/redmine.sqlite" >"/etc/redmine/$INSTANCE/database.yml"
  printf 'default:\n  attachments_storage_path: %s\n' "$D/files" >"/etc/redmine/$INSTANCE/configuration.yml"
  (umask 077; openssl rand -hex 32 >"/etc/redmine/$INSTANCE/secret_key.txt")
  cat >"$D/seed.rb" <<'C'
Setting.rest_api_enabled = '1'
Setting.text_formatting = 'textile'
Setting.default_language = 'en'
Setting.password_min_length = '8'
def account(login, role, *projects)
  user = User.new(firstname: login.capitalize, lastname: 'Pruebas', mail: "#{login}@chaco.test", mail_notification: 'none',
                  password: "#{login}-clave", password_confirmation: "#{login}-clave")
  user.login = login
  user.save!
  projects.each { |project| Member.create!(project: project, principal: user, roles: [role]) }
  token = Token.create!(user_id: user.id, action: 'api')
  File.write(File.join(ENV['SEED_DIR'], "#{login}.key"), token.value)
end
def field(name, project)
  one = IssueCustomField.create!(name: name, field_format: 'string', is_filter: true, is_for_all: false, trackers: Tracker.all)
  project.issue_custom_fields << one
  File.write(File.join(ENV['SEED_DIR'], "#{name}.field"), one.id.to_s)
end
def role(name, permissions)
  one = Role.create!(name: name, issues_visibility: 'all', permissions: permissions)
  WorkflowRule.copy(nil, Role.find_by_name('Manager'), Tracker.all.to_a, [one])
  one
end
atencion, reservada = %w(atencion reservada).map do |name|
  Project.create!(name: name.capitalize, identifier: name, is_public: false, enabled_module_names: %w(issue_tracking),
                  trackers: Tracker.all)
end
field('InboxReference', atencion)
field('Suelto', reservada)
bridge = role('Puente', %i(view_issues add_issues edit_issues add_issue_notes set_notes_private))
agent = role('Agente', %i(view_issues add_issues edit_issues add_issue_notes view_private_notes set_notes_private
                          edit_issue_notes edit_own_issue_notes delete_issues manage_issue_relations))
account('inbox', bridge, atencion)
account('agente', agent, atencion, reservada)
reader = role('Mirador', %i(view_issues add_issue_notes))
account('vecina', reader)
C
  bundle exec rake -q db:migrate
  bundle exec rake redmine:load_default_data
  SEED_DIR=$D bundle exec rails runner "$D/seed.rb"
}
if [ ! -e "$D/seeded" ]; then
  seed >"$D/setup.log" 2>&1 || { tail "$D/setup.log" >&2; exit 1; }
  touch "$D/seeded"
fi

setsid puma -b "tcp://127.0.0.1:$PORT" -e production -t 1:4 config.ru >"$D/puma.log" 2>&1 </dev/null &
echo $! >"$D/puma.pid"
answers() { # asked without the user's proxy settings
  python3 -c 'import sys, urllib.request
asked = urllib.request.Request(sys.argv[1], headers={"X-Redmine-API-Key": sys.argv[2]})
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=60)' \
    "http://127.0.0.1:$PORT/users/current.json" "$(cat "$D/inbox.key")" 2>/dev/null
}
wait_port "$PORT" 90
answers || answers || { tail "$D/puma.log" >&2; die "Redmine does not answer"; }
cat >"$D/env" <<C
URL=http://127.0.0.1:$PORT
PROJECT=atencion
CLOSED_PROJECT=reservada
TRACKER=Support
REFERENCE_FIELD=$(cat "$D/InboxReference.field")
LOOSE_FIELD=$(cat "$D/Suelto.field")
ACCOUNT=inbox
KEY=$(cat "$D/inbox.key")
AGENT_KEY=$(cat "$D/agente.key")
STRANGER_KEY=$(cat "$D/vecina.key")
INSTANCE=$INSTANCE
LOG=$D/puma.log
C
cat "$D/env"
