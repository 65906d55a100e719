#!/usr/bin/python

# Copyright: Contributors to the progressive.istio project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: canary
version_added: 1.0.0
short_description: Move requests from one version of a service to another, step by step
description:
  - Moves requests between a stable version and a canary by the two weights of a route in an Istio VirtualService,
    to a given weight or along the steps of a release.
  - Routes in C(tls) and C(tcp) split connections. Only new ones follow the weights. Each change of weights makes the
    proxies close those that are open after their C(drainDuration), 45 seconds by default.
  - Only those two weights and one annotation of this collection change, in one atomic JSON patch. Everything else in
    the VirtualService stays as it is. If somebody else writes it at the same time, it is read and decided again.
  - The annotation C(progressive.istio/canary) is the only state of the release, so any run on any machine can continue
    where another one ended, however it ended.
  - A version gets more requests only when enough of its pods are ready and in the mesh. Everything that was named must
    exist. All mistakes are reported at once, before anything is written.
  - One module call raises the weight at most once, and does that first. Then it watches the step while it soaks, and
    from then on can only roll back. With O(state=promoted) the action plugin of the same name on the controller makes
    one such call for each step, and shows each step as it happens.
extends_documentation_fragment:
  - progressive.istio.target
  - progressive.istio.target.followers
  - progressive.istio.attributes
  - progressive.istio.attributes.action_group
  - progressive.istio.attributes.in_process
  - progressive.istio.auth
attributes:
  async:
    description: Supports the C(async) keyword.
    support: partial
    details:
      - Not with O(state=promoted), which takes several steps.
  check_mode:
    support: full
    details:
      - The patch is sent to the API server as a dry run, so that its admission checks run too.
      - It neither waits for pods nor watches. For O(state=promoted) it predicts the first step.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(state=advanced) takes another step each time, once the previous one has soaked.
options:
  stable:
    description:
      - Subset of the version that serves now.
      - Where the route leads to a Service for each version in place of subsets, the name of that Service.
    type: str
    required: true
  canary:
    description: Subset of the new version, or its Service.
    type: str
    required: true
  state:
    description:
      - V(weighted) gives the canary exactly O(weight).
      - V(advanced) takes one step, if the present one has soaked for O(interval). If it is too early, or if there is
        nothing to do, nothing changes.
      - V(promoted) takes all steps, one after the other.
      - V(rolled_back) gives all requests back to the stable version. It works at any time, despite another run's lease
        and with an unreadable annotation, and needs nothing but the VirtualService.
      - If O(routes) or O(destination_host) does not match, V(rolled_back) moves every route that splits between the two
        versions of one host, with a warning. If the annotation is that of another release, or is refused, it writes the
        weights alone. It ignores options that it does not need.
      - If fewer than three quarters of the pods of the stable version are ready and the canary has ready ones, as many
        requests go back at once as the ready pods can carry. The rest follows as more become ready. If they do not
        within O(wait_timeout), the task fails with their reason, and the release is C(held). A canary that has failed
        keeps no requests as long as the stable version has a ready pod. See O(force).
      - V(held) keeps the present weight until an operator confirms. It works despite another run's lease.
      - V(cleaned) removes the destination that a finished release has left without requests from the route, so that its
        subset and its pods can be removed. RV(removed) names it.
      - A different O(canary) than that of the present release starts a new release. All requests go back to the stable
        version first.
    type: str
    choices: [weighted, advanced, promoted, rolled_back, held, cleaned]
    default: weighted
  weight:
    description:
      - Percentage of the requests that the canary gets, a whole number from 0 to 100. The stable version gets the rest.
      - In a route with further destinations it is the percentage of what those leave; their weights do not change.
      - Required for O(state=weighted).
    type: raw
  steps:
    description:
      - The weights in order, each higher than the one before, as a list or as text such as V(5,20,50,100).
      - A step can be a dictionary with C(weight) and C(pause). With C(pause=true) it waits for O(confirm=true).
      - The default is the steps of the present release.
    type: raw
  step_weight:
    description: Instead of O(steps), steps of this size up to O(max_weight), then V(100).
    type: raw
  max_weight:
    description: The last step of O(step_weight) before V(100).
    type: raw
  interval:
    description: Seconds that each weight soaks before it may be raised.
    type: raw
    default: 60
  on_failure:
    description:
      - What to do when the canary fails while it soaks, for example when none of its pods is ready.
      - V(rollback) gives all requests back to the stable version. V(step_down) returns to the previous step. V(hold)
        keeps the weight. The latter two then wait for O(confirm=true).
      - It never sends requests back to a stable version without a ready pod.
    type: str
    choices: [rollback, hold, step_down]
    default: rollback
  confirm:
    description:
      - Whether to continue after a pause, a hold, a failure or a rollback.
      - It applies to the first step only.
    type: bool
    default: false
  adopt:
    description:
      - Whether to accept weights that somebody else has set, or an unreadable annotation, as if O(state=weighted) had
        set them. Otherwise they are refused.
    type: bool
    default: false
  reason:
    description: Reason for the history, with O(state=rolled_back) and O(state=held).
    type: str
    default: ''
  force:
    version_added: 1.1.0
    description:
      - For O(state=rolled_back), whether all requests go back at once, even if the stable version lacks pods for them.
    type: bool
    default: false
  watch:
    description:
      - Seconds that one module call may watch a step. The default is until it has soaked.
      - With V(0) it only takes the step. Then nothing rolls the canary back until the next call.
      - Not used with O(state=promoted), which always watches.
    type: int
  drain:
    description: For O(state=cleaned), seconds that the version must have had no requests.
    type: int
    default: 60
  min_ready:
    description:
      - How many pods of a version must be ready before it gets more requests.
      - The default is in proportion to its share. For half of the requests, half as many pods must be ready as the
        larger of the two versions has, and always at least one. Set it if the pods of the versions differ in size, or
        if an autoscaler creates them only with the load.
      - V(0) is for hosts that are no Service of the cluster, such as those of a ServiceEntry, whose pods are not known.
    type: int
  wait_timeout:
    description:
      - Seconds to wait for these pods. Then the task fails with the reason of the pods, and no weight changes.
      - It also waits if the weight is already set, but too few pods are ready for it.
    type: int
    default: 120
  proof:
    version_added: 1.1.0
    description:
      - Which proxies must show that a weight is live, because the API server only has the desired state. A step soaks
        from then on.
      - Before a version gets more requests, each of these proxies must run the present weights and have a healthy
        endpoint of that version. Afterwards each must run the new weights. If one does not within O(proof_timeout), the
        task fails and says which and why. No further step is taken until they do.
      - A rollback is written first and verified afterwards. If no proxy can be asked it only warns.
      - V(all) asks the pods of the gateways that the route is bound to and, if it is bound to V(mesh), the
        sidecars, at most 50 of them. V(gateways) leaves the sidecars out. V(none) asks no proxy.
      - It needs the right to read the Gateways, to list these pods in the cluster, and C(get) and C(create) on their
        C(pods/portforward).
      - Not used in check mode.
    type: str
    choices: [all, gateways, none]
    default: all
  proof_timeout:
    version_added: 1.1.0
    description: Seconds that the proxies may take to run a weight.
    type: float
    default: 30
  skip_checks:
    version_added: 1.1.0
    description:
      - Names of the rules of the mesh to skip, as in M(progressive.istio.mesh_info), if a finding is intended.
      - Before a version gets more requests, these rules are checked on the objects that were read. An error is refused
        before anything is written, a warning is shown.
      - If V(one_route_per_gateway_host) is skipped, the VirtualServices of other namespaces are not read.
    type: list
    elements: str
    default: []
  samples:
    version_added: 1.1.0
    description:
      - Whether RV(judged) has the samples that P(progressive.istio.run_page#filter) draws, up to 31 for each weight.
    type: bool
    default: false
  playbook_options:
    version_added: 1.1.0
    description:
      - Options with which C(ansible-playbook) finds this service, such as C(-i hosts.yml --limit pong).
      - With them a message that asks for something names the command of a playbook, without them an option of this
        module.
    type: str
  analysis:
    version_added: 1.1.0
    description:
      - What the canary is judged by while a weight soaks. Without it a step passes when its time is over. An empty
        dictionary means the defaults.
      - Requests are counted from the moment on when the weight is live. The test can be looked at at any time, and its
        error rates hold all the same. A failure is acted on at once, see O(on_failure); a pass lets the next step
        follow once the weight has soaked; too little to tell is neither.
      - At the end of the steps, with all requests on the canary, nothing is judged.
      - With O(watch=0) only the source V(prometheus) can judge, at the next call.
    type: dict
    suboptions:
      source:
        description:
          - Who counts. V(envoy) reads the proxies that O(proof) asks, up to ten times a second each. How requests end
            is what they count for each endpoint of a version, a retry as one more; how long they take is what Istio's
            metrics say. V(prometheus) asks Prometheus for Istio's metrics. V(probe) sends requests of its own, for
            services that get too few others.
        type: str
        choices: [envoy, prometheus, probe]
        default: envoy
      success:
        description:
          - How many requests may fail. An answer of 500 and above fails, and a request without answer.
          - A dictionary, or V(false) to switch it off. Shares may be percent as text, such as V(1%).
        type: raw
        suboptions:
          max_error:
            description: The highest share of failures of a good canary.
            type: float
            default: 0.01
          bad_error:
            description: The lowest share of failures of a bad canary.
            type: float
            default: 0.05
          alpha: &alpha
            description: The highest chance that a good canary fails.
            type: float
            default: 0.01
          beta: &beta
            description: The highest chance that a bad canary passes.
            type: float
            default: 0.05
          dry_run: &dry_run
            description: Whether the result is only reported.
            type: bool
            default: false
      worse_than_stable:
        description:
          - Whether a canary fails that is worse than the stable version, even within the limit.
          - Where stable is as bad, the canary is not blamed, and the verdict is that the baseline is bad.
          - A dictionary, or V(false) to switch it off.
        type: raw
        suboptions:
          max_ratio:
            description: How many times the failures of stable the canary may have, V(1) or more.
            type: float
            default: 1.5
          alpha: *alpha
          dry_run: *dry_run
      latency:
        description:
          - How many requests may be slow.
          - A dictionary, or V(false) to switch it off. Shares may be percent as text, such as V(1%).
        type: raw
        suboptions:
          threshold_ms:
            description: Milliseconds from which on a request is slow, one of the edges of Envoy's histogram buckets.
            type: float
            default: 500
          max_slow:
            description: The highest share of slow requests of a good canary.
            type: float
            default: 0.01
          bad_slow:
            description: The lowest share of slow requests of a bad canary.
            type: float
            default: 0.05
          alpha: *alpha
          beta: *beta
          dry_run: *dry_run
      unattributed:
        description:
          - Whether failures count that belong to no version, such as those where no endpoint was healthy, and whether a
            canary fails that the proxies have no way to any more, as when its subset is removed.
          - What names no service, or another one, never counts.
          - A dictionary, or V(false) to switch it off.
        type: raw
        suboptions:
          dry_run: *dry_run
      minimum_requests:
        description: How many requests the canary must have answered before it can pass.
        type: int
        default: 100
      deadline:
        description: Seconds after the interval until a verdict must have come.
        type: float
        default: 600
      on_inconclusive:
        description: What to do if none has come then.
        type: str
        choices: [hold, rollback]
        default: hold
      queries:
        description:
          - Queries of your own to Prometheus, each with a range. One of its ends must be given, or
            O(analysis.queries[].dry_run).
        type: list
        elements: dict
        suboptions:
          name:
            description: Its name in messages. It must be given.
            type: str
          query:
            description: PromQL that gives one number. It must be given.
            type: str
          min:
            description: The lowest number that passes.
            type: float
          max:
            description: The highest number that passes.
            type: float
          dry_run: *dry_run
      prometheus:
        description: Where Prometheus is, for O(analysis.source=prometheus) and for O(analysis.queries).
        type: dict
        suboptions:
          url:
            description: Its URL, from where the module runs. It must be given.
            type: str
          reporter:
            description: Whose metrics count, V(source) for the gateways and callers or V(destination) for the sidecars.
            type: str
            choices: [source, destination]
            default: source
          headers: &headers
            description: Headers of each request, such as C(Host). Their values are never shown.
            type: dict
          bearer_token:
            description: A token to log in with. It is never shown.
            type: str
          ca_cert: &ca_cert
            description: Path of the certificates of the authority that signed the server's certificate.
            type: path
          validate_certs: &validate_certs
            description: Whether the server's certificate is checked.
            type: bool
            default: true
          timeout: &timeout
            description: Seconds for one request.
            type: float
            default: 5
      probe:
        description:
          - Requests of its own, for O(analysis.source=probe). They go through the gateway as those of users do, and
            only while a weight soaks.
          - An answer of 500 and above fails, and a request without answer. Those that do not name their version are
            judged by O(analysis.unattributed). They are the canary's if it answers less often than its weight explains.
        type: dict
        suboptions:
          url:
            description: A URL whose answers name their version, from where the module runs. It must be given.
            type: str
          headers: *headers
          version_header:
            description: The header of the answer that names its version. The default is to search its body.
            type: str
          version_pattern:
            description:
              - A regular expression for the version, in its group C(version) or its first one.
              - The default finds the versions' names and the pods' label C(version) as whole words.
            type: str
          per_second:
            description: How many requests are sent a second, V(1) to V(100).
            type: int
            default: 20
          ca_cert: *ca_cert
          validate_certs: *validate_certs
          timeout: *timeout
  run:
    description:
      - The run that a call belongs to, for callers that take several steps. Set by the action plugin.
      - Calls with the same C(id) share the lease. It ends a minute after its last renewal, or at once if a call on the
        same machine, in the same boot and pid namespace, sees that process C(pid) has ended.
    type: dict
    suboptions:
      id:
        description: The same for all calls.
        type: str
        required: true
      who:
        description: The user or job, for others to read. The default is the account.
        type: str
      host:
        description: Machine of the caller. The default is the one where the module runs.
        type: str
      pid:
        description: Process of the caller. The default is that of the module.
        type: int
      boot:
        version_added: 1.1.0
        description: Which boot of which machine C(pid) belongs to, as in C(/proc/sys/kernel/random/boot_id).
        type: str
      pid_namespace:
        version_added: 1.1.0
        description: The pid namespace that C(pid) belongs to, by the inode of C(/proc/self/ns/pid).
        type: str
      start:
        version_added: 1.1.0
        description: When process C(pid) started, in ticks since the boot, as in C(/proc/PID/stat).
        type: str
      progress:
        description: File to append a line to for each step.
        type: path
requirements:
  - Istio 1.22 or newer in the cluster
seealso:
  - module: progressive.istio.canary_info
  - module: progressive.istio.traffic_probe
author:
  - Contributors to the progressive.istio project (@progressive-istio)
"""

EXAMPLES = r"""
- name: Give v2 exactly 20 % of the requests
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    weight: 20

- name: Give it 25 %, also in the VirtualService for callers in the mesh
  progressive.istio.canary:
    name: pong-server-virtual-service
    virtual_services:
      - name: pong-server-mesh
    stable: v1
    canary: v2
    weight: 25

- name: The same, as soon as one pod of v2 is ready, and proven in the gateways alone
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    weight: 20
    min_ready: 1
    proof: gateways
    proof_timeout: 60

- name: Take one step if it is due, from a schedule
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    state: advanced
    steps:
      - 5
      - weight: 50
        pause: true
      - 100
    interval: 3600
    watch: 0

- name: Preview the next step
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    state: advanced
  check_mode: true
  diff: true

- name: Continue after the pause
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    state: advanced
    confirm: true

- name: Roll back
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    state: rolled_back
    reason: customers complain

- name: Release v2 in four steps, ten minutes each
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    state: promoted
    steps: [5, 20, 50, 100]
    interval: 600

- name: Take the next step, if errors and latency of the present one are within their limits; stop if not
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    state: advanced
    steps: [5, 20, 50, 100]
    interval: 600
    on_failure: hold
    analysis:
      # At most 0.5 % may fail; with 2 % it must not pass.
      success:
        max_error: 0.5%
        bad_error: 2%
      latency:
        threshold_ms: 250
      minimum_requests: 500
      deadline: 1800

- name: Remove v1 from the route, ten minutes after v2 got all requests
  progressive.istio.canary:
    name: pong-server-virtual-service
    stable: v1
    canary: v2
    state: cleaned
    drain: 600
"""

RETURN = r"""
msg:
  description: What was done, or why there was nothing to do, and the present weights.
  returned: always
  type: str
  sample: >-
    VirtualService default/pong-server-virtual-service, HTTP route primary: v2: from 0 to 20 % by hand;
    now v1 80 %, v2 20 %, live in gateway istio-system/istio-ingressgateway-5d8f after 112 ms
weights:
  description:
    - Percentages of all requests of the rule before and after the call, by version. They are exact, whatever the
      weights sum to (2 and 1 are 66.67 and 33.33), and rounded to two digits here.
    - A further destination of the rule is named by its host, or by its subset if it has the same host.
  returned: success
  type: dict
  contains:
    before:
      description: Percentage by version, and by name of each further destination.
      type: dict
      returned: success
      sample: {v1: 100, v2: 0}
    after:
      description: Percentage by version, and by name of each further destination.
      type: dict
      returned: success
      sample: {v1: 80, v2: 20}
virtual_services:
  description: What each VirtualService has, the leader first, where several move together.
  returned: if several move together
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    routes:
      description: The HTTP routes of it that move, by name or number.
      type: list
      elements: str
    weights:
      description: Percentage by version, of the route in it that has the most for the canary.
      type: dict
  sample:
    - {name: pong, namespace: shop, routes: [primary], weights: {v1: 80, v2: 20}}
    - {name: pong-mesh, namespace: shop, routes: [number 1], weights: {v1: 80, v2: 20}}
phase:
  description:
    - The phase of the release, one of C(none), C(progressing), C(paused), C(held), C(promoted), C(rolled_back),
      C(weighted) and C(unreadable).
    - Where a run has ended between two writes to VirtualServices that move together, it is C(spreading) or, on the way
      back, C(partial).
  returned: success
  type: str
  sample: weighted
step:
  description: Number of the present step, C(0) before the first.
  returned: if there is a release
  type: int
  sample: 0
steps:
  description: Weights of all steps.
  returned: if there is a release
  type: list
  elements: int
  sample: []
since:
  description: When the present weight or phase was reached, UTC.
  returned: if there is a release
  type: str
  sample: "2026-01-31T12:00:00Z"
until:
  description: When the weight may be raised again, UTC. Null if it does not depend on time.
  returned: if there is a release
  type: str
  sample: "2026-01-31T12:01:00Z"
next_weight:
  description: The weight of the next step. Null if the release has ended or waits for an operator.
  returned: success
  type: int
  sample: 50
finished:
  description: Whether the canary has all requests and the release has ended.
  returned: success
  type: bool
  sample: false
waits:
  description: Whether there is something to do, but it is too early.
  returned: success
  type: bool
  sample: false
analysis:
  description: The last verdict on the canary in this call, with its numbers.
  returned: if a step was judged
  type: dict
  contains:
    result:
      description: C(pass), C(fail) or C(inconclusive).
      type: str
      returned: always
      sample: pass
    why:
      description: One sentence with the numbers.
      type: str
      returned: always
      sample: 0 of 412 requests to v2 (0 %) failed, 1 % may
    checks:
      description: The result of each check, with its numbers.
      type: list
      elements: dict
      returned: always
    percentiles:
      description: Milliseconds by version and by C(p50), C(p95) and C(p99).
      type: dict
      returned: always
      sample: {v1: {p50: 2.1, p95: 4.8, p99: 9.6}, v2: {p50: 2.2, p95: 4.9, p99: 9.9}}
judged:
  description:
    - Each weight that was judged, in order, with its verdict and what was counted while it soaked.
    - All counts start when the weight was live and end with the verdict. The keys of RV(analysis) are in it too.
  returned: success
  type: list
  elements: dict
  contains:
    weights:
      description: Percentage by version that was judged.
      type: dict
      returned: always
      sample: {v1: 80, v2: 20}
    since:
      description: When it was live, UTC.
      type: str
      returned: always
      sample: "2026-01-31T12:00:00Z"
    until:
      description: When it was last evaluated, UTC.
      type: str
      returned: always
      sample: "2026-01-31T12:01:00Z"
    seconds:
      description: Seconds between the two.
      type: float
      returned: always
      sample: 60.01
    source:
      description: Who counted, as O(analysis.source).
      type: str
      returned: always
      sample: envoy
    limits:
      description:
        - The limits that applied, C(minimum_requests), C(max_error), C(bad_error), C(threshold_ms), C(max_slow) and
          C(bad_slow), without those that are disabled.
      type: dict
      returned: always
      sample:
        minimum_requests: 100
        max_error: 0.01
        bad_error: 0.05
        threshold_ms: 500
        max_slow: 0.01
        bad_slow: 0.05
    versions:
      description:
        - By version C(requests) and C(failed), the number of requests and of those that failed; C(timed) and C(slow),
          those with a known time and those that took longer than C(threshold_ms); C(p50), C(p95) and C(p99) in
          milliseconds.
        - Empty if nothing could be counted at the end.
      type: dict
      returned: always
      sample:
        v1: {requests: 1648, failed: 2, timed: 1640, slow: 0, p50: 2.1, p95: 4.8, p99: 9.6}
        v2: {requests: 412, failed: 0, timed: 410, slow: 0, p50: 2.2, p95: 4.9, p99: 9.9}
    proxies:
      description:
        - How many proxies could be read at the end, and how many there were. The verdict is based on those that could.
          Null if O(analysis.source) is not V(envoy).
      type: dict
      returned: always
      sample: {read: 2, of: 2}
    unattributed:
      description: Failures that belong to no version. Null if nothing could be counted at the end.
      type: int
      returned: always
      sample: 0
    samples:
      description:
        - Up to 31 moments while it soaked, each with C(at) (UTC) and, by version in C(versions), the C(requests) and
          C(failed) until then, C(p50) and C(p99).
      type: list
      elements: dict
      returned: if O(samples) is true
      sample: []
removed:
  description: The version that was removed from the route. Null if both are still in it.
  returned: success and O(state=cleaned)
  type: str
  sample: v1
used_by:
  description:
    - Other routes in the namespace that still have the version in RV(removed). Its subset and its pods must stay until
      there are none.
  returned: success and O(state=cleaned)
  type: list
  elements: str
  sample: []
leftovers:
  description:
    - Versions of earlier releases whose subset is still defined although no rule of this route has them.
    - Those with neither RV(leftovers[].used_by) nor RV(leftovers[].why) can be removed.
  returned: success and O(state=cleaned)
  type: list
  elements: dict
  contains:
    version:
      description: Name of the subset.
      type: str
      returned: success
      sample: v0
    used_by:
      description: Other routes in the namespace that have it.
      type: list
      elements: str
      returned: success
      sample: []
    why:
      description: Which proxies still route to it, or why that is unknown. Empty if none does.
      type: str
      returned: success
      sample: ""
  sample: []
live:
  description:
    - The proxies that were seen to run the weights that were written last. Empty if none was asked.
    - RV(proxies) has their number.
  returned: success
  type: list
  elements: dict
  contains:
    proxy:
      description: Role, namespace and name of the pod.
      type: str
      returned: success
      sample: gateway istio-system/istio-ingressgateway-7b9f5c6d4-x2x5k
    after:
      description: Milliseconds from the write until it was seen.
      type: int
      returned: success
      sample: 118
  sample:
    - proxy: gateway istio-system/istio-ingressgateway-7b9f5c6d4-x2x5k
      after: 118
proxies:
  description: How many proxies were asked whether the weights that were written last are live. Missing if none was.
  returned: success, and the proxies were asked
  type: dict
  version_added: 1.1.0
  contains:
    gateways:
      description: Pods of the gateways that the route is bound to. All of them are asked.
      type: int
      returned: always
      sample: 2
    sidecars:
      description: Sidecars that may carry requests of the route, which are none unless it is bound to C(mesh).
      type: int
      returned: always
      sample: 400
    sidecars_asked:
      description: How many of them were asked.
      type: int
      returned: always
      sample: 50
    sidecars_left_out:
      description:
        - Sidecars that cannot carry requests of the route, by C(exportTo), a C(Sidecar) resource, or the sources that
          its matches name. They are not asked.
      type: int
      returned: always
      sample: 12
    unanswered:
      description:
        - Sidecars that did not answer and were not waited for, because the pods of the Service have had no request from
          their workloads; one sentence each.
      type: list
      elements: str
      returned: always
      sample: []
transitions:
  description:
    - What was written, in order. C(at) is the time, C(by) the user, and C(live) after how many milliseconds all proxies
      were seen to run it, null if they were not asked or not all did.
  returned: success
  type: list
  elements: dict
  sample:
    - at: "2026-01-31T12:00:00Z"
      event: weighted
      weights: {v1: 80, v2: 20}
      why: "v2: from 0 to 20 % by hand"
      by: ci
      live: 118
routes:
  description: The routes that a release moves, by name or number.
  returned: success, or the VirtualService was read
  type: list
  elements: str
  version_added: 1.1.0
  sample: [primary]
destination_host:
  description: The host of the two destinations, or the first one's where each version is a Service.
  returned: success, or the VirtualService was read
  type: str
  sample: pong-server-service.default.svc.cluster.local
gateways:
  description: The Gateways of the VirtualService, and C(mesh) for the sidecars of callers.
  returned: success, or the VirtualService was read
  type: list
  elements: str
  version_added: 1.1.0
  sample: [pong-server-gateway]
versions:
  description:
    - What runs each version, by its name. C(ready) of its C(total) pods are ready and in the mesh.
    - C(deployments) are the names of its Deployments, none where they may not be read. C(images) are those of its
      containers, without Istio's.
  returned: success
  type: dict
  version_added: 1.1.0
  sample:
    v1:
      {ready: 1, total: 1, deployments: [pong-server-deployment], images: ["shop/pong:1"]}
    v2:
      {ready: 1, total: 1, deployments: [pong-server-v2], images: ["shop/pong:2"]}
name:
  description: Name of the VirtualService.
  returned: always
  type: str
  sample: pong-server-virtual-service
namespace:
  description: Its namespace.
  returned: always
  type: str
  sample: default
stable:
  description: Subset or Service of the stable version.
  returned: always
  type: str
  sample: v1
canary:
  description: Subset or Service of the canary.
  returned: always
  type: str
  sample: v2
run:
  description: Who moved it, and from when to when, UTC.
  returned: always
  type: dict
  sample:
    id: 3f9c2a7d51b04e68
    who: ci
    host: runner-7
    began: "2026-01-31T11:59:59.700Z"
    ended: "2026-01-31T12:00:00.300Z"
mistakes:
  description: Everything that is wrong with the request, one sentence each.
  returned: failure
  type: list
  elements: str
  sample:
    - "weight is '10%': it must be a whole number from 0 to 100"
context:
  description: The context of the kubeconfig that was used, the URL of the API server, or C(in-cluster).
  returned: when the access is known
  type: str
  sample: kind-canary
server:
  description: URL of the API server.
  returned: when the access is known
  type: str
  sample: https://127.0.0.1:6443
api_requests:
  description: How many requests were sent to the API server.
  returned: when the access is known
  type: int
  sample: 5
"""
from ..module_utils._canary.call import answer
from ..module_utils._canary.options import SPEC
from ..module_utils._common.module import serve


def main() -> None:
    serve(answer, SPEC)


if __name__ == "__main__":
    main()
