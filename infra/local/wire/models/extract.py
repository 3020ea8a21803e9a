"""Writes requests.json: what AWS's published API models say of the requests that the product and its stand-ins use. Needs botocore.

Facts alone (names, types, required members, lengths, ranges, patterns, enumerations), no documentation text. Run again to bring it up to date.
"""
import json
import os
import sys

import botocore
from botocore.session import Session

OPERATIONS = {
    'appflow': ['DescribeConnectorProfiles', 'CreateConnectorProfile', 'UpdateConnectorProfile', 'DeleteConnectorProfile', 'DescribeConnectors', 'DescribeFlow', 'ListFlows', 'StartFlow'],
    'secretsmanager': ['BatchGetSecretValue', 'CreateSecret', 'DescribeSecret', 'GetSecretValue', 'ListSecretVersionIds', 'ListSecrets', 'PutSecretValue', 'RotateSecret', 'UpdateSecretVersionStage'],
    'ssm': ['DeleteParameter', 'DescribeParameters', 'GetParameter', 'PutParameter'],
    'kms': ['DescribeKey', 'ListResourceTags', 'Sign'],
    'sqs': ['DeleteMessage', 'GetQueueAttributes', 'GetQueueUrl', 'ReceiveMessage', 'SendMessage', 'SendMessageBatch'],
    'events': ['PutEvents'],
    'cloudtrail': ['DescribeTrails', 'GetTrailStatus'],
    'logs': ['FilterLogEvents'],
}
LIMITS = ('min', 'max', 'pattern', 'enum')


def shape(model, seen):
    """The name under which a shape stands in `seen`, filling it in."""
    if model.name in seen:
        return model.name
    seen[model.name] = out = {'type': model.type_name}
    out.update({k: v for k, v in model.metadata.items() if k in LIMITS and v not in ([], None)})
    if model.type_name == 'structure':
        required = model.required_members
        out['members'] = {name: {'shape': shape(member, seen), **({'required': True} if name in required else {}), **({'sensitive': True} if member.metadata.get('sensitive') else {}),
                                 **({'wire': member.serialization['name']} if member.serialization.get('name', name) != name else {})}
                          for name, member in model.members.items()}
    elif model.type_name == 'list':
        out['member'] = shape(model.member, seen)
    elif model.type_name == 'map':
        out['key'], out['value'] = shape(model.key, seen), shape(model.value, seen)
    return model.name


def main():
    session, services = Session(), {}
    for service, names in OPERATIONS.items():
        model = session.get_service_model(service)
        shapes = {}
        services[service] = {'apiVersion': model.api_version, 'protocol': model.metadata['protocol'], 'operations': {
            name: {'input': shape(model.operation_model(name).input_shape, shapes), 'path': model.operation_model(name).http['requestUri']} for name in names}, 'shapes': shapes}
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'requests.json')
    with open(out, 'w') as file:
        json.dump({'source': f'API models of botocore {botocore.__version__}', 'services': services}, file, indent=2, sort_keys=True)
        file.write('\n')
    print(out, os.path.getsize(out), file=sys.stderr)


if __name__ == '__main__':
    main()
