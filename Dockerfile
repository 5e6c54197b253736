# The program alone, for x86-64 processors with AVX2 (x86-64-v3: Intel Core since 2013, AMD since 2015):
#   docker build -t ruminate .
#   docker run --rm -v "$PWD:/work" ruminate translate runs/translate --input de.txt
#   docker run --rm -p 127.0.0.1:8080:8080 -v "$PWD:/work" ruminate serve runs/translate --host 0.0.0.0
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make git ca-certificates
COPY . /source
WORKDIR /source
RUN make deps
RUN make MARCH=x86-64-v3 -j"$(nproc)" all && make MARCH=x86-64-v3 deb
FROM debian:12-slim
COPY --from=build /source/build/x86-64-v3/ruminate.deb /tmp/
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates /tmp/ruminate.deb && \
    rm -rf /tmp/ruminate.deb /var/lib/apt/lists/*
WORKDIR /work
ENTRYPOINT ["ruminate"]
