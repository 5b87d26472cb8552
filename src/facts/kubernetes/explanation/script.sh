since=$(date -u -d "@$(($(date +%s) - 600))" +%Y-%m-%dT%H:%M:%S 2>/dev/null)
read -r mark </proc/sys/kernel/random/uuid
template=$(printf "%s" TEMPLATE | sed -e "s/MARK/$mark/g" -e "s/SINCE/$since/g")
logs=0 events=
# A secret that is cut would not be known again, so no word is.
whole_words() { awk 'length > 500 { $0 = substr($0, 1, 500); sub(/[^ ]*$/, "...") } 1'; }
flush() { [ -z "$events" ] || printf '%s' "$events" | sort | tail -n 5 | sed 's/^.\{11\}\(.\{8\}\) \( *\)/\2\1 /'; events=; }
hl_kubectl get deployments,statefulsets,daemonsets,jobs,replicasets,pods,persistentvolumeclaims,events -o go-template="$template" 2>&1 | tr -d '\000-\010\013-\037\177' | whole_words |
{ while IFS= read -r line; do case $line in
"$mark event "*) events="$events${line#"$mark event "}
";;
"$mark log "*) flush; set -- ${line#"$mark log "}
logs=$((logs + 1)); [ $logs -le 3 ] || continue
previous=; [ "$3" = now ] || previous=--previous
said=$(hl_kubectl logs --tail=20 --limit-bytes=8192 $previous "$1" -c "$2" 2>&1 | tr -d '\000-\010\013-\037\177' | whole_words)
[ -n "$said" ] || said='(nothing)'
echo "    its log:"; printf '%s\n' "$said" | sed 's/^/      | /';;
*) flush; printf '%s\n' "$line";;
esac; done; flush; } | {
said=$(head -c 16384); [ ${#said} -lt 16000 ] || said=${said%[[:space:]]*}
printf '%s\n' "$said"
printf '%s\n' "$said" | sed -n 's/.*[Uu]ser "\(system:serviceaccount:\([^:"]*\):[^"]*\)" cannot \([a-z]*\) resource "\([^"]*\)" in API group "\([^"]*\)".*/\1 \2 \3 \4 \5/p' | sort -u | head -n 3 |
while read -r user own verb resource group; do
can=$($kubectl -n "$own" auth can-i "$verb" "$resource${group:+.$group}" --as="$user" --as-group=system:serviceaccounts --as-group="system:serviceaccounts:$own" --as-group=system:authenticated 2>/dev/null)
echo "auth can-i $verb $resource${group:+.$group} -n $own --as=$user: ${can:-not known}"
done; }
