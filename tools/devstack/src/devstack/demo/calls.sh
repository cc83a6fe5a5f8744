# Calls of a running demo, to copy one by one or to run at once: sh calls.sh
set -eu
API=@URL@/v1  DEMO=@FOLDER@
uuid() { cat /proc/sys/kernel/random/uuid; }
qr() { @PYTHON@ -m devstack show "$1" --state @STATE@; }
as() { # as ROLE PATH [JSON]: a call with that role's token, under an idempotency key of its own
  curl -sS --fail-with-body "$API$2" ${3:+-d "$3"} -H "Authorization: Bearer $(cat "$DEMO/tokens/people/$1.jwt")" \
    -H "Idempotency-Key: $(uuid)" -H 'Content-Type: application/json'; echo
}
check_in() { as venue_operator /check-ins "{\"credential\": \"$(qr "$1")\", \"venue_code\": \"@CODE@\", \"scanned_by_staff\": true}"; }

# Two people check in: staff of a venue scan their phones.
check_in visitor
check_in ill

# One has a positive result. Two people approve; in between: how many would it touch?
ILL=@ILL@  CASE=$(uuid)  RESULT=$(uuid)
as tracer /cases "{\"case_id\": \"$CASE\", \"resident_id\": \"$ILL\"}"
as laboratory /lab-results "{\"lab_result_id\": \"$RESULT\", \"resident_id\": \"$ILL\", \"specimen_at\": \"$(date -u +%FT%TZ)\", \"outcome\": \"positive\"}"
as approver "/cases/$CASE/approvals" "{\"lab_result_id\": \"$RESULT\"}"
sleep 1; as approver-2 "/cases/$CASE/impact"
as approver-2 "/cases/$CASE/approvals" "{\"lab_result_id\": \"$RESULT\"}"

# What they are told, and what a scanner at a gate shows. (Without the pipe it takes codes and commands from the keyboard.)
sleep 1; as app_backend /restriction-explanations "{\"resident_id\": \"$ILL\"}"
for who in passerby visitor ill; do
  printf 'ok 36.6\n%s\nq\n' "$(qr $who)" | @PYTHON@ -m scanner --state "$DEMO/scanners/yours" --enroll "$DEMO/scanner-enrolment.json"
done
