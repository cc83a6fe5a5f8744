# What docs/following-one-shop.md works with, while a demo runs:  . shop.sh
API=@URL@/v1  DEMO=@FOLDER@  OPERATOR=@OPERATOR@  PAPERS=@FOLDER@/papers
mkdir -p "$PAPERS"
uuid() { cat /proc/sys/kernel/random/uuid; }
now() { date -u +%FT%TZ; }
qr() { @PYTHON@ -m devstack show "$1" --state @STATE@; }
as() { # as ROLE PATH [JSON]: a call with that role's token; with JSON a write, under an idempotency key of its own
  curl -sS --fail-with-body "$API$2" ${3:+-d "$3"} -H "Authorization: Bearer $(cat "$DEMO/tokens/people/$1.jwt")" \
    -H "Idempotency-Key: $(uuid)" -H 'Content-Type: application/json'; echo
}
field() { # field NAME.NAME.0: one value of the JSON that comes in
  @PYTHON@ -c 'import functools, json, sys
step = lambda found, name: found[int(name) if isinstance(found, list) else name]
print(functools.reduce(step, sys.argv[1].split("."), json.load(sys.stdin)))' "$1"
}
inspect() { # inspect SHOP "ITEM …" [MEASURE]: two inspectors look at a restaurant; what is named is not met; MEASURE: looked at again
  FINDINGS=$(as inspector "/checklists?category=restaurant" | @PYTHON@ -c 'import json, sys
bad, items = sys.argv[1].split(), [each["item"] for each in json.load(sys.stdin)["items"]]
print(json.dumps([{"item": item, "outcome": "failed" if item in bad else "met"} for item in items]))' "$2")
  as inspector /inspections "{\"inspection_id\": \"$(uuid)\", \"subject\": \"venue\", \"subject_id\": \"$1\",
    \"first_inspector\": \"inspector-1\", \"second_inspector\": \"inspector-2\", \"inspected_at\": \"$(now)\",
    \"checklist_version\": 1, \"findings\": $FINDINGS${3:+, \"reinspects\": \"$3\"}}"
}
issued() { # issued: the papers in the answer that comes in, one a line
  @PYTHON@ -c 'import json, sys
answer = json.load(sys.stdin)
print("step", answer["step"]) if answer.get("step") else None
[print("  ", paper["number"], paper["paper"]) for paper in answer["papers"]]'
}
standing() { # standing SHOP: where it stands, in a few lines
  as venue_operator "/venues/$1/standing" | @PYTHON@ -c 'import json, sys
found = json.load(sys.stdin)
found = found.get("standing", found)
print("suspended until", found["suspended_until"]) if found["suspended"] else print("not suspended")
print("card", found["card"] if "card" in found["card"] else "none", "- failed inspections that count:", found["failed_counting"])
[print("  step", each["step"], each["state"], "- in force:", ", ".join(each["papers_in_force"]) or "nothing") for each in found["measures"]]'
}
papers() { # papers SHOP: each of its documents as a PDF in $PAPERS, and what the public page says about it
  as venue_operator "/venues/$1/documents" | @PYTHON@ -c 'import json, sys
for each in reversed(json.load(sys.stdin)["documents"]):
    print(each["document_id"], each["kind"], each["number"], each["verification_id"])' | while read -r id kind number check; do
    curl -sS --fail-with-body "$API/documents/$id/sheet" -o "$PAPERS/$number.pdf" -H 'Accept: application/pdf' \
      -H "Authorization: Bearer $(cat "$DEMO/tokens/people/venue_operator.jwt")"
    echo "$number $kind: $(curl -sS "$API/document-verifications/$check" | field standing)"
  done
}
