# `make serve` and `make test` need nothing but Python 3.11 with venv; each makes its own environment.

PYTHON ?= python3
PORT ?= 8000
PERF_ANALYZER ?= $(firstword $(wildcard ../shared/tools/perf-analyzer) perf_analyzer)

RUN := .venv-serve
DEV := .venv
CUDA := .venv-cuda
MEASURED := $(DEV)/bin/python -m coverage run -m pytest

.PHONY: help serve ray test test-cuda test-ray test-scale check lint bench bench-cuda bench-overload bench-ray bench-start \
    bench-triton capacity soak train study activations sheets protos vendor manifests clean

help:
	@echo "make serve        start the server with the shipped models (PORT=8000)"
	@echo "make ray          the same as replicas of Ray Serve, on a Ray cluster of this machine alone (PORT=8000)"
	@echo "make test         everything CI checks: style, types, contracts, tests, coverage"
	@echo "make test-scale   three hosts behind HAProxy: restarted, killed, cut off under load (needs root; a minute)"
	@echo "make test-ray     the contract's tests against Ray Serve (a part of make test)"
	@echo "make train        train the shipped networks again, from the real data sets"
	@echo "make study        put what tutorials say of activations to the test (about 25 minutes on two cores)"
	@echo "make activations  write the activations' graphs again"
	@echo "make sheets       write the test images of the explorer again"
	@echo "make protos       generate the gRPC messages again, from the descriptors in tritonclient"
	@echo "make bench        this service and its peers side by side (needs wrk; about 20 minutes)"
	@echo "make capacity     from what a row and a request cost here to machines; writes docs/scaling.md (two minutes)"
	@echo "make bench-overload  few clients and far too many: goodput, statuses, probes, memory (needs wrk; a minute)"
	@echo "make bench-start  what a start costs and an idle worker holds (a minute)"
	@echo "make bench-ray    what Ray Serve's proxy costs (needs wrk; a minute)"
	@echo "make soak         a million requests of mixed kinds and sizes, and the memory meanwhile (needs wrk; half an hour)"
	@echo "make test-cuda    the tests that need a CUDA device (own environment, gigabytes)"
	@echo "make bench-cuda   the network and every activation on CUDA and the CPU (own environment, gigabytes)"
	@echo "make bench-triton this service under Triton's Perf Analyzer, over HTTP and gRPC (PERF_ANALYZER=perf_analyzer)"
	@echo "make manifests    render deploy/kubernetes and deploy/kserve with kubectl, for the tests to compare"
	@echo "make vendor       fetch what others wrote for the pages, and for their tests, again"

serve: $(RUN)/ready
	@$(RUN)/bin/actserve serve --port $(PORT)

$(RUN)/ready: pyproject.toml constraints.txt
	@echo "==> making an environment in $(RUN) (onnxruntime and FastAPI, no torch; about 20 s)"
	@$(PYTHON) -m venv $(RUN) || { echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(RUN)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu]'
	@touch $@

$(DEV)/ready: pyproject.toml constraints.txt
	@echo "==> making an environment in $(DEV) (torch for the CPU included; 1 to 3 minutes)"
	@$(PYTHON) -m venv $(DEV) || { echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(DEV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt 'torch==2.13.0'
	@$(DEV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,train,dev]'
	@touch $@

$(CUDA)/ready: pyproject.toml constraints.txt constraints-cuda.txt
	@echo "==> making an environment in $(CUDA) (onnxruntime-gpu with CUDA and cuDNN, no torch; gigabytes)"
	@$(PYTHON) -m venv $(CUDA) || { echo "Python's venv is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(CUDA)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -c constraints-cuda.txt \
	    -e '.[cuda,dev]' mpmath tqdm
	@touch $@

ray: $(DEV)/ready
	@$(DEV)/bin/python -m deploy.ray --port $(PORT)

lint: $(DEV)/ready
	@echo "==> style, types, import contracts"
	@$(DEV)/bin/ruff check .
	@$(DEV)/bin/ruff format --check .
	@$(DEV)/bin/mypy
	@$(DEV)/bin/lint-imports

# Three parts side by side: each waits a lot for servers, browsers and clusters to start and to end.
test: lint
	@echo "==> tests in three parts side by side: units; those in the browser and against Ray Serve; end to end"
	@$(DEV)/bin/python -m coverage erase
	@mkdir -p build
	@{ $(MEASURED) tests/end_to_end/browser tests/end_to_end/test_ray.py && $(MAKE) --no-print-directory test-ray; } \
	    > build/beside.log 2>&1 & beside=$$!; \
	    $(MEASURED) tests --ignore tests/end_to_end > build/units.log 2>&1 & units=$$!; \
	    $(MEASURED) tests/end_to_end --ignore tests/end_to_end/browser --ignore tests/end_to_end/test_ray.py; found=$$?; \
	    wait $$beside; found=$$((found + $$?)); cat build/beside.log; \
	    wait $$units; found=$$((found + $$?)); cat build/units.log; exit $$found
	@$(DEV)/bin/python -m coverage combine --quiet
	@$(DEV)/bin/python -m coverage report --skip-covered
	@mkdir -p build
	@$(DEV)/bin/python -m coverage json --quiet -o build/coverage.json
	@$(DEV)/bin/python -c "import json, sys; t = json.load(open('build/coverage.json'))['totals']; \
	    share = t['covered_branches'] / t['num_branches']; print(f'branches covered: {share:.1%}'); sys.exit(share < 0.95)"

# What is left out is HTTP itself: Ray's proxy parses it, and answers what is no HTTP in its own words.
OF_CONTRACT := predict_and_activate hostile_bodies hostile_tensors compression tritonclient_http http
OF_OUR_PARSER := http.py::test_what_is_not_http_is_refused_or_closed \
    http.py::test_head_without_end_is_refused_while_it_arrives \
    http.py::test_garbage_behind_a_good_request_does_not_cost_its_answer \
    http.py::test_upgrade_that_is_not_spoken_is_answered_as_if_not_asked \
    compression.py::test_bomb_is_refused_and_costs_no_memory

test-ray: $(DEV)/ready
	@echo "==> the contract's tests, with Ray Serve as the server"
	@$(DEV)/bin/python -m pytest --quiet --server ray $(OF_CONTRACT:%=tests/end_to_end/test_%.py) \
	    $(OF_OUR_PARSER:%=--deselect tests/end_to_end/test_%)

test-scale: $(DEV)/ready
	@echo "==> three hosts behind HAProxy, in namespaces of their own (the first run fetches HAProxy from Debian)"
	@tests/scale/run.sh

bench: $(DEV)/ready
	@echo "==> this service and its peers, side by side (the first run makes their environments in build/bench)"
	@$(DEV)/bin/python -m benchmarks

capacity: $(DEV)/ready
	@echo "==> costs, a simulation, and loads to check it with; two minutes (needs HAProxy: make test-scale fetches it)"
	@$(DEV)/bin/python -m benchmarks.capacity

bench-overload: $(DEV)/ready
	@echo "==> few clients and far too many; a minute"
	@$(DEV)/bin/python -m benchmarks.overload

bench-ray: $(DEV)/ready
	@echo "==> the same requests through Ray Serve's proxy and without it; a minute"
	@$(DEV)/bin/python -m benchmarks.ray

bench-start: $(DEV)/ready
	@echo "==> starts, and workers that nobody asks"
	@$(DEV)/bin/python -m benchmarks.start

test-cuda: $(CUDA)/ready
	@echo "==> the tests that need a CUDA device; the last line says where they were not run, and why"
	@$(CUDA)/bin/python -m pytest -m cuda tests/cuda; status=$$?; test $$status = 5 || exit $$status

bench-cuda: $(CUDA)/ready
	@echo "==> the network at batch sizes, and each activation on a large tensor; a few minutes"
	@$(CUDA)/bin/python -m benchmarks.cuda --write

soak: $(DEV)/ready
	@echo "==> a million requests, and the memory of the worker that answers them"
	@$(DEV)/bin/python -m benchmarks.soak

bench-triton: $(DEV)/ready
	@echo "==> this service under Triton's Perf Analyzer ($(PERF_ANALYZER)); a few minutes"
	@$(DEV)/bin/python -m benchmarks.triton --analyzer '$(PERF_ANALYZER)'

train: $(DEV)/ready
	@$(DEV)/bin/python -m models.train

study: $(DEV)/ready
	@echo "==> training every activation in the same network; writes docs/study.json, docs/study.md and its pictures"
	@$(DEV)/bin/python -m models.study

activations: $(DEV)/ready
	@$(DEV)/bin/python -m models.activations

sheets: $(DEV)/ready
	@$(DEV)/bin/python -m models.sheets

# protoc takes the public standard from where the client of its makers carries it; it knows no packages, so `sed` does.
protos: $(DEV)/ready
	@mkdir -p build/protos
	@$(DEV)/bin/python -c "from google.protobuf.descriptor_pb2 import FileDescriptorSet; \
	    from tritonclient.grpc import model_config_pb2, service_pb2; \
	    files = [module.DESCRIPTOR.serialized_pb for module in (model_config_pb2, service_pb2)]; \
	    message = FileDescriptorSet(file=[type(FileDescriptorSet().file.add()).FromString(file) for file in files]); \
	    open('build/protos/set.pb', 'wb').write(message.SerializeToString())"
	@$(DEV)/bin/python -m grpc_tools.protoc --descriptor_set_in=build/protos/set.pb \
	    --python_out=service/protos --pyi_out=service/protos model_config.proto grpc_service.proto
	@sed -i 's/^import model_config_pb2 as/from service.protos import model_config_pb2 as/' service/protos/grpc_service_pb2.py*

# Scripts of others come as one variable; an `export` behind it makes a module of the page of each.
vendor:
	@echo "==> fetching swagger-ui-dist 5.35.0, uplot 1.6.32, temml 0.13.5 and axe-core 4.14.1 from npm"
	@rm -rf build/vendor && mkdir -p build/vendor
	@cd build/vendor && for package in swagger-ui-dist@5.35.0 uplot@1.6.32 temml@0.13.5 axe-core@4.14.1; do \
	    name=$${package%@*}; mkdir $$name; \
	    npm pack --silent $$package >/dev/null && tar xzf $$name-*.tgz -C $$name --strip-components=1 || exit 1; done
	@grep -v sourceMappingURL build/vendor/swagger-ui-dist/swagger-ui.css > service/assets/swagger-ui.css
	@sed 's|//# sourceMappingURL=.*||' build/vendor/swagger-ui-dist/swagger-ui-bundle.js > service/assets/swagger-ui-bundle.js
	@cp build/vendor/swagger-ui-dist/LICENSE service/assets/swagger-ui.LICENSE.txt
	@{ cat build/vendor/uplot/dist/uPlot.iife.min.js; echo 'export default uPlot;'; } > service/explorer/uplot.js
	@cp build/vendor/uplot/dist/uPlot.min.css service/explorer/uplot.css
	@cp build/vendor/uplot/LICENSE service/explorer/uplot.LICENSE.txt
	@{ cat build/vendor/temml/dist/temml.min.js; echo; echo 'export default temml;'; } > service/explorer/temml.js
	@cp build/vendor/temml/LICENSE service/explorer/temml.LICENSE.txt
	@cp build/vendor/axe-core/axe.min.js tests/assets/axe.min.js

manifests:
	@mkdir -p tests/assets/kubernetes
	@for overlay in cpu cuda minikube; do \
	    kubectl kustomize deploy/kubernetes/overlays/$$overlay > tests/assets/kubernetes/$$overlay.yaml || exit 1; done
	@kubectl kustomize deploy/kserve/cluster > tests/assets/kubernetes/kserve.yaml

clean:
	rm -rf build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
