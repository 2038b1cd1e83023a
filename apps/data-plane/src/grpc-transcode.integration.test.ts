import http from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import * as grpc from '@grpc/grpc-js';
import { loadProto } from '@polygate/model';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runGateway } from './gateway.harness.ts';
import type { RunningGateway } from './gateway.harness.ts';

const PROTO = `
  syntax = "proto3";
  package helloworld;
  service Greeter {
    rpc SayHello (HelloRequest) returns (HelloReply) {}
    rpc Plus (PlusRequest) returns (PlusReply) {}
    rpc Late (HelloRequest) returns (HelloReply) {}
    rpc Fail (HelloRequest) returns (HelloReply) {}
  }
  enum Gender { GENDER_UNKNOWN = 0; GENDER_MALE = 1; GENDER_FEMALE = 2; }
  message Person { string name = 1; int32 age = 2; }
  message HelloRequest {
    string name = 1; repeated string items = 2; Gender gender = 3; repeated Person persons = 4;
    map<string, Person> by_name = 5;
  }
  message HelloReply {
    string message = 1; repeated string items = 2; Gender gender = 3;
    map<string, Person> by_name = 5;
  }
  message PlusRequest { int64 a = 1; int64 b = 2; }
  message PlusReply { int64 result = 1; }
  message ErrorDetail { int64 code = 1; string message = 2; string type = 3; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message Any { string type_url = 1; bytes value = 2; }
`;

interface Hello {
  readonly name: string;
  readonly items: string[];
  readonly gender: number;
  readonly persons: readonly { readonly name: string; readonly age: number }[];
  readonly by_name: object;
}

const { root } = loadProto(PROTO);
let server: grpc.Server;
let node: string;
let gateway: RunningGateway;

const encode = (type: string, value: object): Buffer => {
  const found = root.lookupType(`helloworld.${type}`);
  return Buffer.from(found.encode(found.fromObject(value)).finish());
};
const decode = (type: string) => (bytes: Buffer) =>
  root.lookupType(`helloworld.${type}`).decode(bytes) as unknown;

function method(name: string, input: string, output: string) {
  return {
    path: `/helloworld.Greeter/${name}`,
    ...{ requestStream: false, responseStream: false },
    requestSerialize: (value: object) => encode(input, value),
    requestDeserialize: decode(input),
    responseSerialize: (value: object) => encode(output, value),
    responseDeserialize: decode(output),
  };
}

function statusDetails(): Buffer {
  const detail = encode('ErrorDetail', { code: 1, message: 'out of service', type: 'service' });
  const type_url = 'type.googleapis.com/helloworld.ErrorDetail';
  return encode('Status', { code: 14, message: 'Out', details: [{ type_url, value: detail }] });
}

beforeAll(async () => {
  server = new grpc.Server();
  const definition = {
    SayHello: method('SayHello', 'HelloRequest', 'HelloReply'),
    Plus: method('Plus', 'PlusRequest', 'PlusReply'),
    Late: method('Late', 'HelloRequest', 'HelloReply'),
    Fail: method('Fail', 'HelloRequest', 'HelloReply'),
  };
  type Call = grpc.ServerUnaryCall<unknown, object>;
  type Answer = grpc.sendUnaryData<object>;
  server.addService(definition, {
    SayHello: (call: Call, answer: Answer) => {
      const { name, items, gender, persons, by_name } = call.request as Hello;
      const people = persons.map((one) => `, name: ${one.name}, age: ${one.age}`).join('');
      answer(null, { message: `Hello ${name}${people}`, items, gender, by_name });
    },
    Plus: (call: Call, answer: Answer) => {
      const { a, b } = call.request as { a: bigint; b: bigint };
      answer(null, { result: String(BigInt(String(a)) + BigInt(String(b))) });
    },
    Late: (call: Call, answer: Answer) => {
      call.once('cancelled', () => answer({ code: grpc.status.CANCELLED }));
    },
    Fail: (_call: Call, answer: Answer) => {
      const metadata = new grpc.Metadata();
      metadata.set('grpc-status-details-bin', statusDetails());
      answer({ code: grpc.status.UNAVAILABLE, details: 'Out of service', metadata });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  node = `127.0.0.1:${port}`;
  gateway = await runGateway({});
});

afterAll(async () => {
  server.forceShutdown();
  await gateway.stop();
});

beforeEach(() => gateway.put('/protos/1', { content: PROTO }));

async function route(conf: object): Promise<void> {
  await gateway.put('/routes/1', {
    uri: '/grpctest',
    plugins: {
      'grpc-transcode': {
        ...{ proto_id: '1', service: 'helloworld.Greeter', method: 'SayHello' },
        ...conf,
      },
    },
    upstream: { scheme: 'grpc', nodes: { [node]: 1 } },
  });
}

const JSON_TYPE = { 'Content-Type': 'application/json' };

function post(value: object) {
  const body = JSON.stringify(value);
  return gateway.get('/grpctest', { method: 'POST', headers: JSON_TYPE, body });
}

test('query, form and JSON become a message, and the answer JSON', async () => {
  await route({});
  const got = await gateway.get('/grpctest?name=world&gender=GENDER_MALE');
  expect(JSON.parse(got.text)).toEqual({
    ...{ message: 'Hello world', items: [], gender: 'GENDER_MALE', by_name: {} },
  });
  expect(got.status).toBe(200);
  expect(got.headers['content-type']).toBe('application/json');
  expect(got.headers['content-length']).toBeUndefined();

  const form = await gateway.get('/grpctest', { method: 'POST', body: 'name=a+b%C3%A4' });
  expect(JSON.parse(form.text)).toMatchObject({ message: 'Hello a bä' });

  const persons = [{ name: 'Joe', age: 1 }, { name: 'Jake' }];
  const said = await post({ name: 'w', persons, gender: 2, items: ['a'], unknown: [1] });
  expect(JSON.parse(said.text)).toEqual({
    message: 'Hello w, name: Joe, age: 1, name: Jake, age: 0',
    ...{ items: ['a'], gender: 'GENDER_FEMALE', by_name: {} },
  });
  const mapped = await post({ by_name: { al: { name: 'Al', age: 3 } } });
  expect(JSON.parse(mapped.text)).toMatchObject({ by_name: { al: { name: 'Al', age: 3 } } });
});

test('trailers of the node come behind the body', async () => {
  await route({});
  const trailers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
    const { port } = gateway;
    const request = http.get({ host: '127.0.0.1', port, path: '/grpctest' }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.trailers));
    });
    request.once('error', reject);
  });
  expect(trailers['grpc-status']).toBe('0');
});

test('what does not fit the message is 400, a method that is not there 503', async () => {
  await route({});
  expect((await post({ name: { a: 1 } })).status).toBe(400);
  expect((await post({ gender: 'NONE' })).status).toBe(400);
  expect((await post([1])).status).toBe(200);
  const five = { method: 'POST', headers: JSON_TYPE, body: '5' };
  expect((await gateway.get('/grpctest', five)).status).toBe(500);
  await route({ method: 'SayGoodbye' });
  expect((await post({})).status).toBe(503);
  await route({ service: 'helloworld.Nobody' });
  expect((await post({})).status).toBe(503);
});

test('int64 is exact as text', async () => {
  await route({ method: 'Plus' });
  const large = '/grpctest?a=1&b=2251799813685260';
  expect((await gateway.get(large)).text).toBe('{"result":2.2517998136853e+15}');
  await route({ method: 'Plus', pb_option: ['int64_as_string', 'enum_as_name'] });
  expect((await gateway.get(large)).text).toBe('{"result":"#2251799813685261"}');
  expect((await gateway.get('/grpctest?a=1&b=2')).text).toBe('{"result":3}');
});

test('a deadline that passes is 504', async () => {
  await route({ method: 'Late', deadline: 100 });
  expect((await gateway.get('/grpctest?name=a')).status).toBe(504);
});

test('a refused call has its HTTP status, and tells its details when asked to', async () => {
  await route({ method: 'Fail' });
  const plain = await gateway.get('/grpctest');
  expect([plain.status, plain.text]).toEqual([503, '']);
  expect(plain.headers).toMatchObject({
    'grpc-status': '14',
    'grpc-message': 'Out%20of%20service',
  });
  expect(plain.headers['grpc-status-details-bin']).toBeDefined();

  await route({ method: 'Fail', show_status_in_body: true });
  expect(JSON.parse((await gateway.get('/grpctest')).text)).toMatchObject({
    error: { code: 14, details: [{ type_url: 'type.googleapis.com/helloworld.ErrorDetail' }] },
  });
  const detailed = { method: 'Fail', show_status_in_body: true };
  await route({ ...detailed, status_detail_type: 'helloworld.ErrorDetail' });
  const details = [{ code: 1, message: 'out of service', type: 'service' }];
  expect(JSON.parse((await gateway.get('/grpctest')).text)).toEqual({
    error: { code: 14, message: 'Out', details },
  });
  await route({ ...detailed, status_detail_type: 'helloworld.Missing' });
  const wrong = await gateway.get('/grpctest');
  expect(wrong.status).toBe(503);
  expect(wrong.text).toBe('failed to call pb.decode to decode details in grpc-status-details-bin');
});

test('a proto that changes takes effect at once; one that is missing leaves requests alone', async () => {
  await route({});
  await post({ name: 'x' });
  await gateway.put('/protos/1', {
    content: PROTO.replace('string message = 1', 'bytes said = 1'),
  });
  expect((await post({ name: 'x' })).text).toContain('"said":"Hello x"');
  await route({ proto_id: '2' });
  expect((await post({ name: 'x' })).headers['grpc-status']).not.toBe('0');
});

test('grpc-web finds the method behind the star of the route, and puts trailers into the body', async () => {
  await gateway.put('/routes/web', {
    uri: '/grpc/web/*',
    plugins: { 'grpc-web': {} },
    upstream: { scheme: 'grpc', nodes: { [node]: 1 } },
  });
  const message = encode('HelloRequest', { name: 'w' });
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const call = (name: string) =>
    gateway.get(`/grpc/web/helloworld.Greeter/${name}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/grpc-web-text' },
      body: framed.toString('base64'),
    });
  const { status, headers, text } = await call('SayHello');
  expect([status, headers['content-type']]).toEqual([200, 'application/grpc-web-text']);
  const pieces = text.match(/[^=]+=*/g) ?? [];
  const body = Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64'))).toString();
  expect(body).toContain('Hello w');
  expect(body).toContain('grpc-status:0\r\n');
  const failed = await call('Fail');
  expect([failed.status, failed.text]).toEqual([200, '']);
  expect(failed.headers['grpc-status']).toBe('14');
});
