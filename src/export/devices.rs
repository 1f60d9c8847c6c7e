//! GPUs and limits of block devices, back from options and into a file.

use crate::docker::{BlkioSpec, GpuSpec};
use crate::model::{BlkioConfig, Bytes, DeviceRequest, ThrottleDevice, WeightDevice};

/// A request of `--gpus`: `all`, a number, or fields as in a line of CSV.
pub(super) fn gpu(value: &str) -> Option<GpuSpec> {
    let mut out = GpuSpec { capabilities: vec!["gpu".into()], ..GpuSpec::default() };
    match value {
        "all" => out.count = -1,
        _ if value.parse::<i64>().is_ok() => out.count = value.parse().ok()?,
        _ => {
            for field in fields(value) {
                let (name, text) = field.split_once('=')?;
                let list = || text.split(',').map(str::to_owned);
                match name {
                    "count" if text == "all" => out.count = -1,
                    "count" => out.count = text.parse().ok()?,
                    "driver" => text.clone_into(&mut out.driver),
                    "device" => out.device_ids = list().collect(),
                    "capabilities" => out.capabilities.extend(list()),
                    "options" => {
                        for option in text.split(',') {
                            let (name, value) = option.split_once('=')?;
                            out.options.insert(name.to_owned(), value.to_owned());
                        }
                    }
                    _ => return None,
                }
            }
        }
    }
    Some(out)
}

/// Fields between commas, of which one in quotes may hold commas.
fn fields(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for char in line.chars() {
        match char {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            other => out.last_mut().into_iter().for_each(|field| field.push(other)),
        }
    }
    out
}

/// Reads a limit of one device, `PATH:AMOUNT`; whether it is one.
pub(super) fn limit(blkio: &mut BlkioSpec, flag: &str, value: &str) -> bool {
    let list = match flag {
        "--blkio-weight-device" => &mut blkio.weight_device,
        "--device-read-bps" => &mut blkio.read_bps,
        "--device-read-iops" => &mut blkio.read_iops,
        "--device-write-bps" => &mut blkio.write_bps,
        "--device-write-iops" => &mut blkio.write_iops,
        _ => return false,
    };
    let amount = |text: &str| text.parse().ok().or_else(|| crate::compose::units::parse_bytes(text).ok());
    match value.rsplit_once(':').and_then(|(path, text)| Some((path.to_owned(), amount(text)?))) {
        Some(limit) => list.push(limit),
        None => return false,
    }
    true
}

pub(super) fn request(gpu: &GpuSpec) -> DeviceRequest {
    DeviceRequest {
        capabilities: gpu.capabilities.clone(),
        driver: Some(gpu.driver.clone()).filter(|driver| !driver.is_empty()),
        count: Some(gpu.count).filter(|count| *count != 0),
        device_ids: gpu.device_ids.clone(),
        options: gpu.options.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        ..DeviceRequest::default()
    }
}

pub(super) fn blkio(spec: &BlkioSpec) -> Option<BlkioConfig> {
    let rates = |devices: &[(String, i64)]| {
        let one = |(path, rate): &(String, i64)| ThrottleDevice {
            path: path.clone(),
            rate: Bytes(*rate),
            ..ThrottleDevice::default()
        };
        devices.iter().map(one).collect()
    };
    let weight = |(path, weight): &(String, i64)| WeightDevice {
        path: path.clone(),
        weight: u16::try_from(*weight).unwrap_or(0),
        ..WeightDevice::default()
    };
    (!spec.is_unset()).then(|| BlkioConfig {
        weight: Some(spec.weight).filter(|weight| *weight != 0),
        weight_device: spec.weight_device.iter().map(weight).collect(),
        device_read_bps: rates(&spec.read_bps),
        device_read_iops: rates(&spec.read_iops),
        device_write_bps: rates(&spec.write_bps),
        device_write_iops: rates(&spec.write_iops),
        ..BlkioConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_gpus_is_read_back() {
        let gpu = gpu(r#""device=0,3",driver=nvidia,"capabilities=compute,utility",options=a=b"#).unwrap();
        assert_eq!((gpu.driver.as_str(), gpu.count), ("nvidia", 0));
        assert_eq!(gpu.device_ids, ["0", "3"]);
        assert_eq!(gpu.capabilities, ["gpu", "compute", "utility"]);
        assert_eq!(gpu.options["a"], "b");
        assert_eq!(super::gpu("2").unwrap().count, 2);
    }
}
