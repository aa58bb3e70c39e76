//! Decimal numbers, and floating-point numbers beside those of the machine.

use proptest::prelude::*;

use crate::protocol::modbus::{Decimal, Kind, number::Number};

#[test]
fn decimals() {
    for (text, digits, exponent) in
        [("1", 1, 0), ("0.001", 1, -3), ("-12.50", -125, -1), ("1000", 1000, 0), ("0", 0, 0)]
    {
        assert_eq!(text.parse(), Ok(Decimal::new(digits, exponent)));
    }
    for text in ["", "-", ".5", "1.", "1e3", "+1", "1,5", " 1", "1234567890123", "NaN"] {
        assert!(text.parse::<Decimal>().is_err(), "{text}");
    }
    let shown = [(125, -1, "12.5"), (-5, -3, "-0.005"), (3, 2, "300"), (0, 4, "0"), (1, 0, "1")];
    for (digits, exponent, text) in shown {
        assert_eq!(Decimal::new(digits, exponent).to_string(), text);
    }
    assert_eq!(Decimal::new(2, -3).kilo().times(Decimal::new(3, 1)), Some(Decimal::new(6, 1)));
    assert_eq!(Decimal::new(i64::MAX, 0).times(Decimal::new(2, 0)), None);
}

proptest! {
    /// Single floats times 1000 are exact in double floats, which have 29 bits more, so the machine can be asked.
    #[test]
    fn single_floats_are_what_they_are(bits: u32) {
        let float = f32::from_bits(bits);
        let number = Kind::F32.number(bits.into()).unwrap();
        prop_assert_eq!(number.is_some(), float.is_finite());
        let Some(number) = number.filter(|_| float.abs() < 1e9) else { return Ok(()) };
        let rounded = number.times_ten_to(3).and_then(Number::rounded).unwrap();
        // Below 2^53 the product is exact, and so is what the machine rounds of it.
        let theirs = (f64::from(float) * 1000.0).round();
        prop_assert_eq!(format!("{}", theirs + 0.0), rounded.to_string());
    }

    /// The nearest float, as the machine's own reading of decimal numbers has it. In a tie the
    /// machine takes the even one.
    #[test]
    fn nearest_floats(digits in -1_000_000_000_000_i64..1_000_000_000_000, tens in -12..=6) {
        let number = Number::new(digits.into(), 0, tens);
        let text = format!("{digits}e{tens}");
        let single: f32 = text.parse().unwrap();
        let double: f64 = text.parse().unwrap();
        let near = |mine: u64, theirs: u64| mine == theirs || mine == theirs + 1;
        prop_assert!(near(Kind::F32.bits(number), single.to_bits().into()));
        prop_assert!(near(Kind::F64.bits(number), double.to_bits()));
    }

    #[test]
    fn floats_there_and_back(bits: u64) {
        let double = Kind::F64.number(bits).unwrap();
        let again = double.map(|number| Kind::F64.bits(number));
        let expected = if bits << 1 == 0 { 0 } else { bits };
        prop_assert!(again.is_none_or(|again| again == expected));
    }
}
